//! Days that ended: issued once, whatever is killed, and shipped as bundles that anybody can verify.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use spark_core::config::{Config, Target};
use spark_core::report::Day;
use spark_eventlog::Recorded;
use spark_eventlog::archive::{Archive, ArchiveOptions};
use spark_evidence::bundle::unpack;
use spark_schemas::event::{ConfigApplied, Observed, Outcome, Phases, TargetSchedule, Targets};
use spark_schemas::{Boot, Class, Clock, Event, EventSubject, FRAME_VERSION, Frame, Name, TimeNs};
use spark_tests::wait::{self, LONG};
use spark_tests::{Finished, Random, Setup, Up, World, run, script, spark, target_toml};

const MINUTE: u64 = 60 * TimeNs::SECOND;

/// The last day but two: certainly over, with its grace.
fn past() -> Day {
    Day::of(TimeNs(wait::wall_ns())).previous().and_then(Day::previous).and_then(Day::previous).unwrap()
}

/// A `spark up` whose log has a day of the past, with an outage of half an hour.
fn setup(world: &World) -> Setup {
    let config = format!("builtin_targets = false\n{}", target_toml("shop", &world.executor.url("/shop"), "60s"));
    let setup = Setup::with_config(world, &config);
    let (archive, _) = Archive::open(setup.data.join("archive"), ArchiveOptions::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let start = past().start();
    let target = Target::new(name("shop"), "http://shop.example/".parse().unwrap());
    let config = Config { targets: vec![target], ..Config::default() };
    let (digest, body) = (config.digest().into(), config.canonical_json());
    let applied = ConfigApplied { at_ns: start, digest, part: 0, parts: 1, body };
    // Once its grace is over, so that it is this day's and not that of the day before.
    record(&runtime, &archive, 1, TimeNs(start.0 + 6 * MINUTE), (Class::Ctl, 0), vec![applied.into()]);
    for quarter in 1..96 {
        let at = TimeNs(start.0 + quarter * 15 * MINUTE + 20 * TimeNs::SECOND);
        let mut events = observations(at, (40..42).contains(&quarter));
        if quarter == 1 {
            let schedule = TargetSchedule { target: name("shop"), interval_us: 60_000_000, offset_us: 0 };
            events.insert(0, Targets { from_ns: start, part: 0, parts: 1, targets: vec![schedule] }.into());
        }
        record(&runtime, &archive, quarter + 1, at, (Class::Obs, quarter - 1), events);
    }
    setup
}

fn record(
    runtime: &tokio::runtime::Runtime,
    archive: &Archive,
    seq: u64,
    received: TimeNs,
    (class, frame_seq): (Class, u64),
    events: Vec<Event>,
) {
    let boot = Boot([class as u8 + 1; 16]);
    let frame = Frame { v: FRAME_VERSION, agent: name("local"), boot, seq: frame_seq, clock: Clock::default(), events };
    let recorded = Recorded {
        seq,
        received_ns: received.0,
        subject: EventSubject { partition: 0, agent: name("local"), class }.to_string(),
        msg_id: frame.msg_id().to_string(),
        payload: frame.encode().unwrap().into(),
    };
    runtime.block_on(archive.record(vec![recorded])).unwrap();
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn observations(at: TimeNs, is_out: bool) -> Vec<Event> {
    let slots = (0..15).map(|minute| TimeNs((at.0 - at.0 % MINUTE).saturating_sub(minute * MINUTE)));
    let observed = |slot: TimeNs| {
        Event::Observed(Observed {
            target: name("shop"),
            slot_ns: slot,
            started_ns: slot,
            latency_us: 2_000 + slot.0 / MINUTE % 700,
            outcome: if is_out { Outcome::Fail } else { Outcome::Ok },
            reason: None,
            detail: None,
            status: None,
            phases: Phases::default(),
            certificate_expires_ns: None,
        })
    };
    slots.map(observed).collect()
}

fn vkey(data: &Path) -> String {
    let mut command = spark();
    command.args(["keys", "show", "--format", "json", "--data"]).arg(data);
    let shown: Value = serde_json::from_str(&run(command).stdout).unwrap();
    shown["keys"][0]["vkey"].as_str().unwrap().to_owned()
}

/// Verifies a bundle with a replay, elsewhere: another time zone and language, and no environment besides.
fn verify(bundle: &Path, more: &[&str]) -> Finished {
    let mut command = spark();
    command.env_clear().envs([("TZ", "Pacific/Chatham"), ("LC_ALL", "tr_TR.UTF-8"), ("LANG", "tr_TR.UTF-8")]);
    command.args(["evidence", "verify"]).arg(bundle).arg("--replay").args(more);
    run(command)
}

fn export(up: &Up, world: &World, file: &str, more: &[&str]) -> (Finished, PathBuf) {
    let file = world.path(file);
    let path = file.to_string_lossy().into_owned();
    (up.ask(&[&["evidence", "export", "--out", &path], more].concat()), file)
}

/// The days that were issued, each with its report.
fn issued(data: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut issued = BTreeMap::new();
    for log in fs::read_dir(data.join("evidence")).into_iter().flatten() {
        for day in fs::read_dir(log.unwrap().path()).unwrap() {
            let day = day.unwrap();
            let name = day.file_name().into_string().unwrap();
            if name.parse::<Day>().is_ok() {
                issued.insert(name, fs::read(day.path().join("report.json")).unwrap());
            }
        }
    }
    issued
}

fn until_issued(data: &Path) -> BTreeMap<String, Vec<u8>> {
    wait::until("the day is issued", LONG, || {
        let issued = issued(data);
        wait::that(issued.contains_key(&past().next().to_string()), || format!("{:?}", issued.keys())).map(|()| issued)
    })
}

#[test]
fn a_day_that_ended_is_issued_and_its_bundle_is_verified_by_anybody() {
    let world = World::new();
    let setup = setup(&world);
    let up = setup.start();
    let reports = until_issued(&setup.data);
    let (day, key) = (past().to_string(), vkey(&setup.data));
    let (exported, file) = export(&up, &world, "bundle.tar.zst", &["--date", &day]);
    assert_eq!(exported.code, 0, "{exported:?}");
    let verified = verify(&file, &["--key", &key]);
    assert_eq!(verified.code, 0, "{verified:?}");
    assert!(verified.stdout.contains(&format!("VERIFIED: the report of {day}, risk ")), "{verified:?}");
    assert!(!verified.stdout.contains("risk LOW"), "there was an outage: {verified:?}");

    // The same in Python, and the same report from the API and in the bundle.
    let bundle = unpack(&file, &world.path("unpacked")).unwrap();
    let mut python = script("bundle.py");
    python.arg(&bundle).arg(&key);
    let checked = run(python);
    assert!(checked.code == 0 && checked.stdout.contains(&format!("\"date\": \"{day}\"")), "{checked:?}");
    let report = fs::read(bundle.join("report.json")).unwrap();
    assert!(report == reports[&day]);
    let served = up.api.get(&format!("/api/tools/risk-report?date={day}")).unwrap();
    assert_eq!(served.text.trim_end().as_bytes(), report);

    // The log says so, and the day after begins where it ended.
    let said = wait::until("the log says what was issued", LONG, || {
        let mut cat = spark();
        cat.args(["archive", "cat", "--kind", "report_issued", "--data"]).arg(&setup.data);
        let printed = run(cat).stdout;
        wait::that(printed.contains(&format!("\"{day}\"")), || printed.clone()).map(|()| printed)
    });
    assert!(said.contains(&spark_core::hex(&sha256(&report))), "{said}");

    // A draft of today's, and what is wrong.
    let (exported, draft) = export(&up, &world, "draft.tar.zst", &[]);
    assert_eq!(exported.code, 0, "{exported:?}");
    let verified = verify(&draft, &["--key", &key]);
    assert!(verified.code == 0 && verified.stdout.contains("(a draft)"), "{verified:?}");
    for (date, code, says) in
        [("2020-01-01", 2, "No report of 2020-01-01 was issued"), ("2020-13-01", 64, "is not a day")]
    {
        let (refused, file) = export(&up, &world, "none.tar.zst", &["--date", date]);
        assert!(refused.code == code && refused.stderr.contains(says) && !file.exists(), "{refused:?}");
    }
    let stranger = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    fs::write(bundle.join("report.html"), "<p>All was well.").unwrap();
    for (bundle, key, code, says) in [
        (&bundle, key.as_str(), 1, "NOT VERIFIED: tampered"),
        (&file, stranger, 4, "NOT VERIFIED: unknown signer"),
        (&file, "no key", 64, "is neither a key"),
        (&world.path("none"), key.as_str(), 64, "there is no bundle"),
        (&setup.config.clone().unwrap(), key.as_str(), 1, "it can't be unpacked"),
    ] {
        let refused = verify(bundle, &["--key", key]);
        assert_eq!(refused.code, code, "{refused:?}");
        assert!(refused.stdout.contains(says) || refused.stderr.contains(says), "{refused:?}");
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).into()
}

#[test]
fn a_day_is_issued_once_whenever_its_closing_is_killed() {
    let world = World::new();
    let setup = setup(&world);
    let mut random = Random::from_environment("kills while days are closed");
    let mut seen = BTreeMap::<String, BTreeSet<Vec<u8>>>::new();
    for _ in 0..8 {
        let is_there = setup.data.join("evidence").exists();
        let mut process = setup.spawn();
        // At first as soon as something is made, then at any time after the start.
        let by_then = wait::now() + std::time::Duration::from_millis(random.below(1_500));
        while wait::now() < by_then && (is_there || !setup.data.join("evidence").exists()) {
            std::thread::yield_now();
        }
        process.kill();
        for (day, report) in issued(&setup.data) {
            seen.entry(day).or_default().insert(report);
        }
    }
    let up = setup.start();
    let reports = until_issued(&setup.data);
    for (day, report) in &reports {
        seen.entry(day.clone()).or_default().insert(report.clone());
    }
    assert!(seen.values().all(|reports| reports.len() == 1), "a report was made twice");
    let key = vkey(&setup.data);
    for day in [past(), past().next()] {
        let (exported, file) = export(&up, &world, &format!("{day}.tar.zst"), &["--date", &day.to_string()]);
        assert_eq!(exported.code, 0, "{exported:?}");
        let verified = verify(&file, &["--key", &key]);
        assert_eq!(verified.code, 0, "{verified:?}");
    }
    // Said as often as a kill made it necessary, and always the same.
    let mut cat = spark();
    cat.args(["archive", "cat", "--kind", "report_issued", "--data"]).arg(&setup.data);
    let mut said = BTreeMap::<String, BTreeSet<String>>::new();
    for line in run(cat).stdout.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        for event in line["events"].as_array().unwrap() {
            let event = &event["report_issued"];
            let digest = event["digest"].as_str().unwrap().to_owned();
            said.entry(event["date"].as_str().unwrap().to_owned()).or_default().insert(digest);
        }
    }
    assert!(said.values().all(|digests| digests.len() == 1) && said.contains_key(&past().to_string()), "{said:?}");
}
