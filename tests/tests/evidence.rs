//! Checkpoints of running services: verified by OpenSSL, consistent across kills, never of two histories; and what `spark
//! keys` and `spark archive` say of them.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use spark_tests::wait::{self, LONG};
use spark_tests::{Client, Finished, Services, Setup, Up, World, run, script, spark};

/// The public keys that sign or signed, first those that sign.
fn vkeys(data: &Path) -> Vec<String> {
    let shown = keys(data, &["show", "--format", "json"]);
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    shown["keys"].as_array().unwrap().iter().map(|key| key["vkey"].as_str().unwrap().to_owned()).collect()
}

fn keys(data: &Path, arguments: &[&str]) -> Finished {
    let mut command = spark();
    command.arg("keys").args(arguments).arg("--data").arg(data);
    run(command)
}

fn archive(data: &Path, arguments: &[&str]) -> Finished {
    let mut command = spark();
    command.arg("archive").args(arguments).arg("--data").arg(data);
    run(command)
}

/// The size that a checkpoint speaks of.
fn size_of(note: &str) -> u64 {
    note.lines().nth(1).unwrap().parse().unwrap()
}

/// Has the checkpoint of a log verified by `tests/python/checkpoint.py`, together with those that were kept.
fn verify(log: &str, vkey: &str, kept: &[PathBuf]) -> Finished {
    let mut command = script("checkpoint.py");
    command.arg(log).arg(vkey).args(kept);
    run(command)
}

fn checkpoint(api: &Client, path: &str) -> Result<String, String> {
    let answer = api.get(path)?;
    wait::that(answer.status == 200, || answer.text.clone()).map(|()| answer.text)
}

/// A decision, and the checkpoint that it brings about.
fn decide(up: &Up, before: u64) -> String {
    up.ask(&["gate"]);
    wait::until("the decision is signed", LONG, || {
        let note = checkpoint(&up.api, "/evidence/checkpoint")?;
        wait::that(size_of(&note) > before, || note.clone()).map(|()| note)
    })
}

#[test]
fn a_checkpoint_is_verified_by_others_and_each_goes_on_from_the_one_before() {
    let world = World::new();
    let setup = Setup::new(&world);
    let mut up = setup.start();
    let first = wait::until("the first checkpoint", LONG, || checkpoint(&up.api, "/evidence/checkpoint"));
    let kept = world.file("kept", &first);
    up.until_judged();
    let second = decide(&up, size_of(&first));
    let vkey = vkeys(&setup.data).remove(0);
    assert_eq!(up.api.get("/evidence/keys").unwrap().text, format!("{vkey}\n"));

    let log = format!("{}/evidence", up.api.base());
    let done = verify(&log, &vkey, std::slice::from_ref(&kept));
    assert_eq!(done.code, 0, "{done:?}");
    // Another key, and another log's checkpoint.
    let stranger = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    assert_ne!(verify(&log, stranger, &[]).code, 0);
    let forged = world.file(
        "forged",
        &first.replacen(&format!("\n{}\n", size_of(&first)), &format!("\n{}\n", size_of(&first) + 1), 1),
    );
    assert_ne!(verify(&log, &vkey, &[forged]).code, 0);

    // A second key signs beside the first, without a restart; then alone.
    assert_eq!(keys(&setup.data, &["new"]).code, 0);
    let both = decide(&up, size_of(&second));
    assert_eq!(both.lines().filter(|line| line.starts_with('\u{2014}')).count(), 2, "{both}");
    let name = vkey.split('+').next().unwrap();
    let retired = keys(&setup.data, &["retire", name]);
    assert_eq!(retired.code, 0, "{retired:?}");
    let other = vkeys(&setup.data).remove(0);
    assert_ne!(other, vkey);
    decide(&up, size_of(&both));
    assert_eq!(verify(&log, &other, &[]).code, 0);
    assert_ne!(verify(&log, &vkey, &[]).code, 0, "it signs no more");
    let last = keys(&setup.data, &["retire", other.split('+').next().unwrap()]);
    assert_eq!(last.code, 64, "{last:?}");

    // At the end everything is signed, and the files alone are enough.
    assert!(up.process.terminate().success());
    let folder = setup.data.join("archive");
    let done = verify(folder.to_str().unwrap(), &other, &[]);
    assert_eq!(done.code, 0, "{done:?}");
    let done: Value = serde_json::from_str(&done.stdout).unwrap();
    let lines = archive(&setup.data, &["cat"]).stdout;
    assert_eq!(done["size"].as_u64(), Some(lines.lines().count() as u64), "to the last leaf");
    let decided = archive(&setup.data, &["cat", "--kind", "gate_decided"]).stdout;
    assert_eq!(decided.lines().count(), 3, "{decided}");
    assert_eq!(archive(&setup.data, &["cat", "--until", "2020-01-01T00:00:00Z"]).stdout, "");
    let sound = archive(&setup.data, &["fsck"]);
    assert_eq!(sound.code, 0, "{sound:?}");
    assert!(sound.stdout.contains("sound"), "{sound:?}");

    let missing = archive(&world.path("nowhere"), &["fsck"]);
    assert_eq!(missing.code, 64, "{missing:?}");
}

#[test]
fn killed_at_any_moment_it_signs_one_history() {
    let world = World::new();
    let setup = Setup::new(&world);
    let mut kept = Vec::new();
    let mut size = 0;
    for round in 0..6 {
        let mut up = setup.start();
        wait::until("it decides", LONG, || up.api.try_json("/api/tools/status").map(drop));
        // Signing goes on while it is killed.
        for _ in 0..=round % 3 {
            up.ask(&["gate"]);
        }
        let note = wait::until("a newer checkpoint", LONG, || {
            let note = checkpoint(&up.api, "/evidence/checkpoint")?;
            wait::that(size_of(&note) > size, || note.clone()).map(|()| note)
        });
        size = size_of(&note);
        kept.push(world.file(&format!("kept-{round}"), &note));
        up.ask(&["gate"]);
        up.process.kill();
    }
    let vkey = vkeys(&setup.data).remove(0);
    let mut up = setup.start();
    decide(&up, size);
    let done = verify(&format!("{}/evidence", up.api.base()), &vkey, &kept);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(up.process.terminate().success());
    assert!(!up.process.stderr().contains("refused to sign"), "{}", up.process.stderr());
    let sound = archive(&setup.data, &["fsck"]);
    assert_eq!(sound.code, 0, "{sound:?}");
}

#[test]
fn an_archive_restored_from_an_older_copy_is_not_signed() {
    let world = World::new();
    let setup = Setup::new(&world);
    let folder = setup.data.join("archive");
    let mut up = setup.start();
    let first = wait::until("the first checkpoint", LONG, || checkpoint(&up.api, "/evidence/checkpoint"));
    assert!(up.process.terminate().success());
    let copy = world.path("copy");
    copy_all(&folder, &copy);
    let mut up = setup.start();
    let newest = size_of(&decide(&up, size_of(&first)));
    assert!(up.process.terminate().success());

    fs::rename(&folder, world.path("newer")).unwrap();
    fs::rename(&copy, &folder).unwrap();
    let before = fs::read_to_string(folder.join("checkpoint")).unwrap();
    let up = setup.start();
    wait::until("it refuses", LONG, || {
        let said = up.process.stderr();
        wait::that(said.contains("refused to sign"), || said)
    });
    // It goes on observing, past the size that was signed; that is another history, and refused as well.
    wait::until("the log grew past what was signed", LONG, || {
        let log = up.api.try_json("/api/v1/log")?;
        wait::that(log["frames"].as_u64() > Some(newest + 3), || log.to_string())
    });
    up.ask(&["gate"]);
    wait::until("it refuses the other history", LONG, || {
        let said = up.process.stderr();
        wait::that(said.contains("other leaves"), || said)
    });
    assert_eq!(checkpoint(&up.api, "/evidence/checkpoint").unwrap(), before, "nothing was signed");
    let metrics = up.api.get("/api/tools/metrics").unwrap().text;
    assert!(metrics.contains("spark_checkpoint_failures_total{reason=\"fork\"}"), "{metrics}");
    drop(up);
    let unsound = archive(&setup.data, &["fsck", "--repair"]);
    assert_eq!(unsound.code, 1, "{unsound:?}");
    assert!(unsound.stdout.contains("remembered"), "{unsound:?}");
}

#[test]
fn what_follows_from_the_leaves_is_repaired() {
    let world = World::new();
    let setup = Setup::new(&world);
    let mut up = setup.start();
    let first = wait::until("the first checkpoint", LONG, || checkpoint(&up.api, "/evidence/checkpoint"));
    decide(&up, size_of(&first));
    assert!(up.process.terminate().success());
    let folder = setup.data.join("archive");
    let signed = fs::read_to_string(folder.join("checkpoint")).unwrap();
    let partials = folder.join("tile/0");
    fs::remove_dir_all(&partials).unwrap();
    fs::write(folder.join("checkpoint"), "spark/").unwrap();

    let looked = archive(&setup.data, &["fsck"]);
    assert_eq!((looked.code, looked.stdout.contains("can be repaired")), (1, true), "{looked:?}");
    assert!(!partials.exists(), "looking changes nothing");
    for _ in 0..2 {
        assert_eq!(archive(&setup.data, &["fsck", "--repair"]).code, 0);
    }
    assert_eq!(fs::read_to_string(folder.join("checkpoint")).unwrap(), signed);
    let done = verify(folder.to_str().unwrap(), &vkeys(&setup.data)[0], &[]);
    assert_eq!(done.code, 0, "{done:?}");

    // A leaf does not follow from anything.
    let segment = folder.join("wal/00000000000000000000");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[10] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let lost = archive(&setup.data, &["fsck", "--repair"]);
    assert_eq!(lost.code, 1, "{lost:?}");
    assert!(lost.stdout.contains("can't be repaired") && lost.stdout.contains("wal"), "{lost:?}");
}

#[test]
fn behind_nats_the_aggregator_signs_and_the_web_service_hands_on() {
    let world = World::new();
    let services = Services::start(&world, None);
    services.until_judged();
    assert_eq!(services.ask(&["gate"]).code, 0);
    let data = services.aggregator_data();
    let first = wait::until("the first checkpoint", LONG, || checkpoint(&services.api, "/evidence/checkpoint"));
    assert!(first.starts_with("spark/local/EVENTS@"), "{first}");
    let vkey = vkeys(&data).remove(0);
    for api in [&services.api, &services.aggregator_admin] {
        let done = verify(&format!("{}/evidence", api.base()), &vkey, &[]);
        assert_eq!(done.code, 0, "{done:?}");
        assert_eq!(api.get("/evidence/keys").unwrap().text, format!("{vkey}\n"));
        assert_eq!(api.get("/evidence/tile/0/999").unwrap().status, 404);
        assert_eq!(api.get("/evidence/tile/../wal").unwrap().status, 404);
    }
    // The web service hands on evidence, and nothing else that answers where it asks.
    for path in ["..%2Fmetrics", "x%2F..%2F..%2Fmetrics", "keys%3Fx", "logs%2F..%2Fbundles%2Fdraft", "..%5Cmetrics"] {
        let answer = services.api.get(&format!("/evidence/{path}")).unwrap();
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
        assert!(!answer.text.contains("# TYPE"), "{path}: {answer:?}");
    }
    // Bundles are made where the archive is.
    let refused = services.api.get("/evidence/bundles/draft").unwrap();
    assert!(refused.status == 404 && refused.text.contains("made where the archive is"), "{refused:?}");
    let file = world.path("draft.tar.zst");
    let mut export = spark();
    export.args(["evidence", "export", "--url", services.aggregator_admin.base(), "--out"]).arg(&file);
    let exported = run(export);
    assert_eq!(exported.code, 0, "{exported:?}");
    let mut verify_bundle = spark();
    verify_bundle.args(["evidence", "verify", "--replay", "--key", &vkey]).arg(&file);
    let verified = run(verify_bundle);
    assert_eq!(verified.code, 0, "{verified:?}");
    let logs = services.api.json("/evidence/logs");
    let path = logs["logs"][0]["path"].as_str().unwrap().to_owned();
    let same = services.api.get(&format!("{path}checkpoint")).unwrap();
    assert_eq!(same.status, 200, "{same:?}");

    let Services { mut aggregator, api, .. } = services;
    assert!(aggregator.terminate().success());
    let gone = api.get("/evidence/checkpoint").unwrap();
    assert_eq!(gone.status, 503, "{gone:?}");
    assert!(gone.text.contains("--evidence-url"), "{gone:?}");
    let sound = archive(&data, &["fsck"]);
    assert_eq!(sound.code, 0, "{sound:?}");
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_all(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

#[test]
fn a_log_that_was_made_anew_leaves_its_last_checkpoint_behind() {
    let world = World::new();
    let mut services = Services::start(&world, None);
    services.until_judged();
    let logs = |services: &Services| services.api.json("/evidence/logs")["logs"].as_array().unwrap().clone();
    wait::until("the first checkpoint", LONG, || checkpoint(&services.api, "/evidence/checkpoint"));
    let old = logs(&services).remove(0);
    // In the middle of its work: what is left to sign is signed at the next start, or when the new one is seen.
    for round in 1..=2 {
        if round == 2 {
            services.aggregator.kill();
        }
        let mut command = script("admin.py");
        command.args(["delete-stream", &services.nats.url()]);
        let deleted = run(command);
        assert_eq!(deleted.code, 0, "{deleted:?}");
        assert_eq!(services.init_nats().code, 0);
        if round == 2 {
            services.start_aggregator();
        }
        wait::until("the new log is signed", LONG, || {
            let found = services.api.try_json("/evidence/logs")?["logs"].as_array().cloned().unwrap_or_default();
            wait::that(found.len() == round + 1, || format!("{found:?}"))?;
            let newest = found.last().ok_or("none")?["path"].as_str().ok_or("no path")?.to_owned();
            checkpoint(&services.api, &format!("{newest}checkpoint"))
        });
    }
    assert!(services.aggregator.terminate().success());
    let data = services.aggregator_data();
    let vkey = vkeys(&data).remove(0);
    let folders: Vec<PathBuf> = services.archives().read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(folders.len(), 3);
    for folder in folders {
        let done = verify(folder.to_str().unwrap(), &vkey, &[]);
        assert_eq!(done.code, 0, "{done:?}");
        let done: Value = serde_json::from_str(&done.stdout).unwrap();
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let lines = archive(&data, &["cat", "--log", &name]).stdout;
        assert_eq!(done["size"].as_u64(), Some(lines.lines().count() as u64), "{name} is signed to its last leaf");
    }
    assert!(services.archives().join(old["log"].as_str().unwrap()).exists());
    let sound = archive(&data, &["fsck"]);
    assert_eq!(sound.code, 0, "{sound:?}");
}
