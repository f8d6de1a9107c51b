use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use async_trait::async_trait;
use spark_core::config::Config;
use spark_eventlog::archive::{Archive, ArchiveOptions};
use spark_eventlog::writer::EventWriter;
use spark_eventlog::{AppendError, Appended, LogReader, Outgoing};
use spark_schemas::event::Observed;
use spark_schemas::{Boot, Class, EventSubject, Name, TimeNs};

use super::*;
use crate::duties::config_applied;

const FIRST: &str = "EVENTS@1";
const OBJECTIVE: &str = "[[slo]]\nname = \"up\"\nsli = \"availability\"\nobjective = \"99%\"\nwindow = \"7d\"\n";

/// A log that is made anew after it was asked for its bounds so many times.
struct Replaced {
    archive: Archive,
    asked: AtomicUsize,
    after: usize,
}

#[async_trait]
impl EventLog for Replaced {
    async fn append(&self, frames: Vec<Outgoing>) -> Result<Vec<Appended>, AppendError> {
        self.archive.append(frames).await
    }

    async fn read(&self, from: u64) -> Result<Box<dyn LogReader>, ReadError> {
        self.archive.read(from).await
    }

    async fn bounds(&self) -> Result<Bounds, ReadError> {
        let bounds = self.archive.bounds().await?;
        let is_first = self.asked.fetch_add(1, Relaxed) < self.after;
        let incarnation = if is_first { bounds.incarnation } else { "EVENTS@2".to_owned() };
        Ok(Bounds { incarnation, ..bounds })
    }
}

#[tokio::test]
async fn leaves_of_a_log_that_took_the_place_of_another_are_not_counted_for_it() {
    let home = tempfile::tempdir().unwrap();
    let options = ArchiveOptions { incarnation: Some(FIRST.to_owned()), ..ArchiveOptions::default() };
    let archive = Archive::open(home.path(), options).unwrap().0;
    let log: Arc<dyn EventLog> = Arc::new(archive.clone());
    let writer = |agent: &str, class, new_boot| {
        let subject = EventSubject { partition: 0, agent: Name::new(agent).unwrap(), class };
        EventWriter::new(Arc::clone(&log), subject, new_boot)
    };
    let slot = TimeNs(1_700_000_000 * TimeNs::SECOND);
    let observed = Observed::passed(Name::new("shop").unwrap(), slot, 7_000);
    writer("agent", Class::Obs, || Boot([7; 16])).write(vec![observed.into()]).await.unwrap();
    let config = Config::from_toml(OBJECTIVE).unwrap();
    writer("aggregator", Class::Ctl, || Boot([8; 16])).write(config_applied(&config, slot)).await.unwrap();
    let projection = Projection::in_memory(0);
    projection.begin(FIRST);
    let mut reader = log.read(1).await.unwrap();
    while projection.position() < 2 {
        projection.apply(&reader.next_batch().await.unwrap());
    }

    for (after, is_counted) in [(usize::MAX, true), (1, false)] {
        let log = Arc::new(Replaced { archive: archive.clone(), asked: AtomicUsize::new(0), after });
        let leaves = Leaves { log, archives: None, partition: 0, shutdown: CancellationToken::new() };
        let counted = leaves.count(projection.recounter().unwrap()).await;
        match counted {
            Ok(_) => assert!(is_counted),
            Err(RecountError::Log(ReadError::Closed)) => assert!(!is_counted),
            Err(error) => panic!("{}", describe(&error)),
        }
    }
}
