#![allow(clippy::all, clippy::disallowed_methods, clippy::unwrap_used, clippy::print_stdout, missing_docs)]
use spark_eventlog::archive::{Archive, ArchiveOptions, leaves};
use spark_eventlog::{EventLog, Outgoing, Recorded};
use spark_schemas::{Boot, Class, EventSubject, MsgId, Name};
use std::sync::Arc;
use std::time::Instant;

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    let dir = std::path::PathBuf::from(&args[1]);
    let total: u64 = args[2].parse().unwrap();
    let size: usize = args[3].parse().unwrap();
    let group: u64 = args[4].parse().unwrap();
    let tasks: u64 = args[5].parse().unwrap();
    let recorded = args.get(6).is_some();
    let _ = std::fs::remove_dir_all(&dir);
    let (log, _) = Archive::open(&dir, ArchiveOptions::default()).unwrap();
    let start = Instant::now();
    let subject = EventSubject { partition: 0, agent: Name::new("ist-1").unwrap(), class: Class::Obs };
    if recorded {
        let mut n = 0;
        while n < total {
            let frames = (n..(n + group).min(total))
                .map(|i| Recorded {
                    seq: i + 1,
                    received_ns: i,
                    subject: "spark.evt.0.ist-1.obs".into(),
                    msg_id: format!("abababababababababababababababab-{i}"),
                    payload: vec![7; size].into(),
                })
                .collect();
            log.record(frames).await.unwrap();
            n += group;
        }
        log.sync().await.unwrap();
    } else {
        let mut set = Vec::new();
        for t in 0..tasks {
            let log = log.clone();
            let subject = subject.clone();
            set.push(tokio::spawn(async move {
                let mut n = 0;
                while n < total / tasks {
                    let frames = (n..n + group)
                        .map(|i| Outgoing {
                            subject: subject.clone(),
                            msg_id: MsgId { boot: Boot([t as u8; 16]), seq: i },
                            payload: vec![7; size].into(),
                        })
                        .collect();
                    log.append(frames).await.unwrap();
                    n += group;
                }
            }));
        }
        for t in set {
            t.await.unwrap();
        }
    }
    let took = start.elapsed();
    let (n, _) = log.tree().unwrap();
    println!(
        "append {n} leaves of {size}: {took:?}, {:.0}/s, {:.1} MB/s",
        n as f64 / took.as_secs_f64(),
        n as f64 * size as f64 / 1e6 / took.as_secs_f64()
    );
    let start = Instant::now();
    drop(log);
    println!("drop {:?}", start.elapsed());
    let start = Instant::now();
    let (log, _) = Archive::open(&dir, ArchiveOptions::default()).unwrap();
    println!("open {:?}", start.elapsed());
    let log: Arc<dyn EventLog> = Arc::new(log);
    for round in 0..2 {
        let start = Instant::now();
        let mut reader = log.read(1).await.unwrap();
        let mut got = 0;
        while got < n {
            got += reader.next_batch().await.unwrap().len() as u64;
        }
        let took = start.elapsed();
        println!(
            "read {round}: {took:?}, {:.0}/s, {:.1} MB/s",
            n as f64 / took.as_secs_f64(),
            n as f64 * size as f64 / 1e6 / took.as_secs_f64()
        );
    }
    let start = Instant::now();
    let got = leaves(&dir, 1).unwrap().map(|l| l.unwrap()).count();
    println!("leaves() {got}: {:?}", start.elapsed());
}
