//! A log's signer: what it signs, what it remembers, and the histories that it refuses.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

use std::fs;
use std::path::{Path, PathBuf};

use spark_core::merkle::{consistency_proof, leaf_hash, subtree_root, verify_consistency};
use spark_eventlog::archive::{Archive, ArchiveOptions, View};
use spark_eventlog::{EventLog as _, Outgoing};
use spark_evidence::signer::Instead;
use spark_evidence::{Checkpoint, KeyPlace, Keys, LogSigner, Note, SignError, Signed};
use spark_schemas::{Boot, Class, EventSubject, MsgId, Name};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A data directory with a log and keys.
struct World {
    dir: TempDir,
    runtime: Runtime,
}

impl World {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let world = Self { dir: TempDir::new().unwrap(), runtime };
        Keys::load_or_make(world.keys().dir, &[]).unwrap();
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn keys(&self) -> KeyPlace {
        KeyPlace { dir: self.path("keys"), given: Vec::new() }
    }

    fn signer(&self) -> LogSigner {
        self.signer_in("prod")
    }

    fn signer_in(&self, environment: &str) -> LogSigner {
        let options = ArchiveOptions { incarnation: Some("EVENTS@5".to_owned()), ..ArchiveOptions::default() };
        LogSigner::new(Archive::open(self.path("archive"), options).unwrap().0, environment, self.keys())
    }

    fn append(&self, signer: &LogSigner, count: u64, run: u8) {
        let subject = EventSubject { partition: 0, agent: Name::new("a").unwrap(), class: Class::Obs };
        let first = signer.archive().next_seq();
        let frame = |seq| Outgoing {
            subject: subject.clone(),
            msg_id: MsgId { boot: Boot([run; 16]), seq },
            payload: vec![run; 10].into(),
        };
        self.runtime.block_on(signer.archive().append((first..first + count).map(frame).collect())).unwrap();
    }

    fn trusted(&self, signed: &Signed) {
        let keys = self.keys().load().unwrap();
        assert_eq!(signed.note.verify(keys.public()).unwrap().len(), keys.active().count());
        assert_eq!(signed.note.text().parse::<Checkpoint>().unwrap(), signed.checkpoint);
    }

    fn memory(&self) -> String {
        fs::read_to_string(self.path("keys/signed/EVENTS@5")).unwrap()
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy(&path, &target),
            false => assert_eq!(fs::copy(&path, &target).unwrap(), fs::metadata(&path).unwrap().len()),
        }
    }
}

#[test]
fn checkpoints_follow_from_each_other_and_are_remembered() {
    let world = World::new();
    let signer = world.signer();
    assert_eq!(signer.sign().unwrap(), None, "nothing to sign yet");
    let mut last: Option<Signed> = None;
    for count in [1, 300, 7] {
        world.append(&signer, count, 1);
        let signed = signer.sign().unwrap().unwrap();
        world.trusted(&signed);
        assert_eq!(signed.checkpoint.origin, "spark/prod/EVENTS@5");
        assert_eq!((signed.checkpoint.size, signed.checkpoint.root), signer.archive().tree().unwrap());
        assert_eq!(world.memory(), signed.note.to_string());
        assert_eq!(signer.archive().checkpoint().unwrap(), Some(signed.note.to_string()));
        assert_eq!(signer.sign().unwrap(), None, "it is signed");
        if let Some(last) = last {
            let view = View::open(world.path("archive")).unwrap();
            let leaves: Vec<_> = view.leaves(1).unwrap().map(|leaf| leaf_hash(&leaf.unwrap())).collect();
            let (old, new) = (&last.checkpoint, &signed.checkpoint);
            let proof = consistency_proof(old.size, new.size, |tree| {
                let width = 1 << tree.height;
                Ok::<_, SignError>(subtree_root(&leaves[tree.index as usize * width..][..width]))
            });
            verify_consistency((old.size, &old.root), (new.size, &new.root), &proof.unwrap()).unwrap();
        }
        last = Some(signed);
    }

    // As of a report: the newest checkpoint stays what it is.
    let earlier = signer.sign_at(256).unwrap();
    world.trusted(&earlier);
    assert_eq!(earlier.checkpoint.size, 256);
    assert_eq!(earlier.checkpoint.root, signer.archive().frontier_at(256).unwrap().unwrap().root());
    assert_eq!(signer.archive().checkpoint().unwrap(), Some(world.memory()));
    assert!(world.memory().contains("\n308\n"));
    let error = signer.sign_at(309).unwrap_err();
    assert!(matches!(error, SignError::Short { wanted: 309, size: 308 }), "{error:?}");
    world.append(&signer, 10, 1);
    assert_eq!(signer.sign_at(310).unwrap().checkpoint.size, 310);
    assert!(world.memory().contains("\n310\n"));
}

#[test]
fn an_older_copy_and_another_history_are_refused() {
    let world = World::new();
    let signer = world.signer();
    world.append(&signer, 5, 1);
    signer.sign().unwrap().unwrap();
    copy(&world.path("archive"), &world.path("copy"));
    world.append(&signer, 5, 1);
    signer.sign().unwrap().unwrap();
    drop(signer);
    let (signed, whole) = (world.memory(), world.path("whole"));
    fs::rename(world.path("archive"), &whole).unwrap();
    fs::rename(world.path("copy"), world.path("archive")).unwrap();

    let signer = world.signer();
    for wanted in [5, 3] {
        let error = signer.sign_at(wanted).unwrap_err();
        assert!(matches!(error, SignError::Fork { signed: 10, now: Instead::Fewer(5), .. }), "{error:?}");
        assert!(error.to_string().contains("older copy"), "{error}");
    }
    let before = signer.archive().checkpoint().unwrap();
    world.append(&signer, 6, 2);
    let error = signer.sign().unwrap_err();
    assert!(matches!(error, SignError::Fork { signed: 10, now: Instead::OtherLeaves, .. }), "{error:?}");
    assert_eq!((world.memory(), signer.archive().checkpoint().unwrap()), (signed, before), "nothing was signed");
    drop(signer);

    fs::remove_dir_all(world.path("archive")).unwrap();
    fs::rename(whole, world.path("archive")).unwrap();
    let signer = world.signer();
    world.append(&signer, 1, 1);
    assert_eq!(signer.sign().unwrap().unwrap().checkpoint.size, 11, "the whole one goes on");
}

#[test]
fn what_a_crash_leaves_at_any_step_is_gone_on_from() {
    let world = World::new();
    let signer = world.signer();
    world.append(&signer, 5, 1);
    let first = signer.sign().unwrap().unwrap();
    // Remembered, and not yet beside the log.
    let checkpoint = world.path("archive/checkpoint");
    fs::remove_file(&checkpoint).unwrap();
    assert_eq!(signer.sign().unwrap(), Some(first.clone()), "the same again, bit for bit");
    assert_eq!(fs::read_to_string(&checkpoint).unwrap(), first.note.to_string());
    // Damaged: it is made anew.
    fs::write(&checkpoint, "spark/prod").unwrap();
    assert_eq!(signer.sign().unwrap(), Some(first.clone()));

    // The memory was lost: what lies beside the log counts.
    fs::remove_dir_all(world.path("keys/signed")).unwrap();
    assert_eq!(signer.sign().unwrap(), None);
    world.append(&signer, 1, 1);
    let second = signer.sign().unwrap().unwrap();
    assert_eq!(world.memory(), second.note.to_string());
    let forged = Checkpoint { root: [9; 32], ..second.checkpoint.clone() };
    let forged = world.keys().load().unwrap().sign_note(forged.to_string()).unwrap();
    fs::write(&checkpoint, forged.to_string()).unwrap();
    assert!(matches!(signer.sign(), Err(SignError::Fork { now: Instead::OtherLeaves, .. })));

    // A damaged memory is not taken for none.
    fs::write(&checkpoint, second.note.to_string()).unwrap();
    for damaged in ["", "spark/prod/EVENTS@5\n5\n", "a\nb\nc\n\n\u{2014} x AAAAAAAA\n"] {
        fs::write(world.path("keys/signed/EVENTS@5"), damaged).unwrap();
        assert!(matches!(signer.sign(), Err(SignError::Memory(_))), "{damaged:?}");
    }
}

#[test]
fn keys_that_come_and_go_sign_from_then_on_and_the_origin_stays() {
    let world = World::new();
    let signer = world.signer();
    world.append(&signer, 5, 1);
    let alone = signer.sign().unwrap().unwrap();
    let mut keys = world.keys().load().unwrap();
    let first = keys.active().next().unwrap().name().to_owned();
    keys.make().unwrap();
    let both = signer.sign().unwrap().unwrap();
    assert_eq!((both.checkpoint.clone(), both.note.signatures().len()), (alone.checkpoint, 2));
    world.trusted(&both);
    keys.retire(&first).unwrap();
    assert_eq!(signer.sign().unwrap().unwrap().note.signatures().len(), 1);
    drop(signer);

    let signer = world.signer_in("elsewhere");
    world.append(&signer, 1, 1);
    assert_eq!(signer.sign().unwrap().unwrap().checkpoint.origin, "spark/prod/EVENTS@5");
    fs::remove_dir_all(world.path("keys")).unwrap();
    assert!(matches!(signer.sign(), Err(SignError::NoKey)));
    let text = fs::read_to_string(world.path("archive/checkpoint")).unwrap();
    assert!(text.parse::<Note>().is_ok(), "what was signed stays");
}
