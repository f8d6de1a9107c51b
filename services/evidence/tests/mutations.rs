//! Thousands of changes to a bundle: each is caught, by the step that is there for it, with the right exit code.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use spark_core::report::Report;
use spark_evidence::bundle::attest::{Facts, statements};
use spark_evidence::bundle::sums::Sums;
use spark_evidence::dsse::Envelope;
use spark_evidence::verify::{Fault, Refused, Step, Verifying};
use spark_evidence::{Keys, Vkey};
use support::{Heard, World, files, first, verify};

/// Changes of each file: at so many places.
const PLACES: usize = 160;

struct Bundle {
    dir: PathBuf,
    trusted: Vec<Vkey>,
}

impl Bundle {
    /// What verification without a replay says.
    fn refused(&self) -> Option<Refused> {
        let verifying = Verifying { trusted: self.trusted.clone(), ..Verifying::default() };
        verifying.verify(&self.dir, &mut Heard::default()).err()
    }

    /// The bundle with other bytes in a file, verified, and as it was again.
    fn with(&self, file: &Path, bytes: &[u8]) -> Option<Refused> {
        let before = fs::read(file).unwrap();
        fs::write(file, bytes).unwrap();
        let refused = self.refused();
        fs::write(file, before).unwrap();
        refused
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Which step must catch a change of a file.
    fn step_for(&self, file: &Path) -> Vec<Step> {
        match file.strip_prefix(&self.dir).unwrap().to_str().unwrap() {
            "attestations.intoto.jsonl" => vec![Step::Attestations],
            // Other signatures than the trusted ones are held against the bundle's own keys, before its files are.
            key if key.starts_with("keys/") => vec![Step::Attestations, Step::Files],
            _ => vec![Step::Files],
        }
    }
}

/// The evidence of the second day, which begins with a state, and its bundle.
fn bundle(world: &World) -> Bundle {
    world.issue_both();
    let dir = world.bundle(first().next(), world.dir.path());
    verify(&dir, world.vkeys()).unwrap();
    Bundle { dir, trusted: world.vkeys() }
}

/// Places spread over a file, its ends among them.
fn places(length: usize) -> impl Iterator<Item = usize> {
    let step = (length / PLACES).max(1);
    (0..length).step_by(step).chain([length - 1])
}

#[test]
fn every_change_of_every_file_is_caught_by_its_step() {
    let world = World::new();
    let bundle = bundle(&world);
    let mut tried = BTreeMap::<Step, u32>::new();
    for file in files(&bundle.dir) {
        let bytes = fs::read(&file).unwrap();
        let wanted = bundle.step_for(&file);
        let mut expect = |changed: &[u8], what: &str| {
            let refused = bundle.with(&file, changed).unwrap_or_else(|| panic!("{what} of {} passed", file.display()));
            assert!(wanted.contains(&refused.step), "{what} of {}: {refused}", file.display());
            // Statements whose keys are changed may be of nobody that is known.
            assert!(matches!(refused.fault, Fault::Tampered | Fault::UnknownSigner), "{refused}");
            *tried.entry(refused.step).or_default() += 1;
        };
        for place in places(bytes.len()) {
            let mut changed = bytes.clone();
            changed[place] ^= 1 << (place % 8);
            expect(&changed, "a flipped bit");
            expect(&bytes[..place], "a cut");
            let mut changed = bytes.clone();
            changed.remove(place);
            expect(&changed, "a missing byte");
            let mut changed = bytes.clone();
            changed.insert(place, b'\n');
            expect(&changed, "a byte too much");
            let other = (place + bytes.len() / 2) % bytes.len();
            let mut changed = bytes.clone();
            changed.swap(place, other);
            if changed != bytes {
                expect(&changed, "two swapped bytes");
            }
        }
        expect(&[], "an emptied file");
        expect(&[&bytes[..], &bytes[..]].concat(), "a doubled file");
        fs::remove_file(&file).unwrap();
        let refused = bundle.refused().unwrap_or_else(|| panic!("without {} it passed", file.display()));
        assert!(wanted.contains(&refused.step), "without {}: {refused}", file.display());
        fs::write(&file, bytes).unwrap();
    }
    assert!(tried.values().sum::<u32>() > 5_000, "{tried:?}");
    for stray in ["note.txt", "entries/x001/000", "keys/more.txt", "policy/other.json"] {
        let path = bundle.file(stray);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "stray").unwrap();
        assert_eq!(bundle.refused().unwrap().step, Step::Files, "{stray}");
        fs::remove_file(&path).unwrap();
        let _stays_if_not_empty = fs::remove_dir(path.parent().unwrap());
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("report.json", bundle.file("link")).unwrap();
        assert_eq!(bundle.refused().unwrap().step, Step::Files);
        fs::remove_file(bundle.file("link")).unwrap();
    }
    assert_eq!(bundle.refused(), None);
}

#[test]
fn lines_of_attestations_can_not_be_dropped_repeated_or_reordered() {
    let world = World::new();
    let bundle = bundle(&world);
    let file = bundle.file("attestations.intoto.jsonl");
    let text = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "the report and a gate decision");
    let join = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    for (what, changed) in [
        ("dropped", join(&lines[..1])),
        ("only the decision", join(&lines[1..])),
        ("reordered", join(&[lines[1], lines[0]])),
        ("repeated", join(&[lines[0], lines[1], lines[1]])),
        ("empty", "\n".to_owned()),
        ("spaced", text.replace(",\"", ", \"")),
        ("upper-case key", text.replace("\"keyid\":\"", "\"keyid\":\"A")),
        ("unsigned", text.replace("\"sig\":\"", "\"sig\":\"A")),
    ] {
        let refused = bundle.with(&file, changed.as_bytes()).unwrap_or_else(|| panic!("{what} passed"));
        assert_eq!(refused.step, Step::Attestations, "{what}: {refused}");
    }
}

/// Signs a changed bundle anew, as somebody does who holds `keys`.
fn sign_anew(bundle: &Bundle, keys: &Keys) {
    let mut sums = Sums::default();
    for file in files(&bundle.dir) {
        let name = file.strip_prefix(&bundle.dir).unwrap().to_str().unwrap().to_owned();
        if !["SHA256SUMS", "attestations.intoto.jsonl"].contains(&name.as_str()) {
            sums.insert(name, Sha256::digest(fs::read(&file).unwrap()).into());
        }
    }
    let report = Report::from_json(&fs::read(bundle.file("report.json")).unwrap()).unwrap();
    let signers: Vec<Vkey> = keys.active().map(|signer| signer.vkey().clone()).collect();
    let old = fs::read_to_string(bundle.file("attestations.intoto.jsonl")).unwrap();
    let facts = Facts { report: &report, sums: &sums, replayer: &World::replayer(), signers: &signers, verdicts: &[] };
    let mut payloads = vec![statements(facts).unwrap().remove(0).to_bytes()];
    for line in old.lines().skip(1) {
        let trusted = &bundle.trusted;
        payloads.push(Envelope::parse(line).unwrap().verify(trusted, trusted).unwrap().to_vec());
    }
    let lines = payloads.into_iter().map(|payload| Envelope::sign(payload, keys.active()).to_line() + "\n");
    fs::write(bundle.file("attestations.intoto.jsonl"), lines.collect::<String>()).unwrap();
    fs::write(bundle.file("SHA256SUMS"), sums.to_string()).unwrap();
}

#[test]
fn who_signs_it_anew_with_another_key_is_unknown() {
    let world = World::new();
    let bundle = bundle(&world);
    let other = Keys::load_or_make(world.path("other"), &[]).unwrap();
    for file in files(&bundle.file("keys")) {
        fs::remove_file(file).unwrap();
    }
    let vkey = other.active().next().unwrap().vkey().clone();
    fs::write(bundle.file("keys/other.vkey"), format!("{vkey}\n")).unwrap();
    sign_anew(&bundle, &other);
    let refused = bundle.refused().unwrap();
    assert_eq!((refused.step, refused.fault), (Step::Attestations, Fault::UnknownSigner));
    assert_eq!(refused.fault.exit_code(), 4);
}

/// Even the holder of the key can't make these up.
#[test]
fn who_holds_the_key_can_not_change_leaves_states_or_figures_unnoticed() {
    let world = World::new();
    let pristine = bundle(&world);
    let replayed = |bundle: &Bundle| verify(&bundle.dir, bundle.trusted.clone()).err();
    let changed = |change: &dyn Fn(&Bundle)| {
        let dir = world.path("changed");
        let _none_before = fs::remove_dir_all(&dir);
        for file in files(&pristine.dir) {
            let to = dir.join(file.strip_prefix(&pristine.dir).unwrap());
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(file, to).unwrap();
        }
        let bundle = Bundle { dir, trusted: pristine.trusted.clone() };
        change(&bundle);
        sign_anew(&bundle, &world.keys());
        replayed(&bundle).map(|refused| (refused.step, refused.fault))
    };
    assert_eq!(changed(&|_| ()), None, "signing anew changes nothing");

    let entries = "entries/000";
    let leaves = |bundle: &Bundle| -> Vec<Vec<u8>> {
        let mut bytes = &fs::read(bundle.file(entries)).unwrap()[..];
        let mut leaves = Vec::new();
        while let [high, low, rest @ ..] = bytes {
            let (leaf, rest) = rest.split_at(usize::from(u16::from_be_bytes([*high, *low])));
            leaves.push(leaf.to_vec());
            bytes = rest;
        }
        leaves
    };
    let write = |bundle: &Bundle, leaves: &[Vec<u8>]| {
        let framed = |leaf: &Vec<u8>| [&(leaf.len() as u16).to_be_bytes()[..], leaf].concat();
        fs::write(bundle.file(entries), leaves.iter().flat_map(framed).collect::<Vec<_>>()).unwrap();
    };
    let with_leaves = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        changed(&|bundle| {
            let mut all = leaves(bundle);
            change(&mut all);
            write(bundle, &all);
        })
    };
    type Change<'a> = &'a dyn Fn(&mut Vec<Vec<u8>>);
    let in_the_tree = [Step::Leaves, Step::Continuity];
    let changes: [(&str, Change<'_>); 6] = [
        ("dropped", &|all| drop(all.remove(3))),
        ("dropped at the end", &|all| drop(all.pop())),
        ("repeated", &|all| all.insert(3, all[3].clone())),
        ("swapped", &|all| all.swap(3, 4)),
        ("flipped", &|all| *all[3].last_mut().unwrap() ^= 1),
        ("inserted", &|all| all.insert(0, vec![0x90])),
    ];
    for (what, change) in changes {
        let (step, _) = with_leaves(change).unwrap_or_else(|| panic!("a leaf that was {what} passed"));
        assert!(in_the_tree.contains(&step), "{what}: {step}");
    }

    let older = fs::read(pristine.file("checkpoint.from")).unwrap();
    let as_newer = changed(&|bundle| fs::write(bundle.file("checkpoint"), &older).unwrap());
    assert_eq!(as_newer, Some((Step::Checkpoints, Fault::Tampered)), "an older checkpoint");
    let other_frontier = changed(&|bundle| fs::write(bundle.file("frontier.from"), [7; 64]).unwrap());
    assert_eq!(other_frontier.unwrap().0, Step::Frontier);

    // Another day's state: of the day after, so its position is ahead.
    let state = world.days().after(first().next()).unwrap().state.unwrap();
    let other_state = changed(&|bundle| fs::write(bundle.file("state.from"), &state).unwrap());
    assert_eq!(other_state.unwrap().0, Step::Leaves);

    let figures = changed(&|bundle| {
        let json = fs::read_to_string(bundle.file("report.json")).unwrap();
        let mut report = Report::from_json(json.as_bytes()).unwrap();
        report.totals.failed.0 = 0;
        fs::write(bundle.file("report.json"), report.to_json().unwrap()).unwrap();
    });
    assert_eq!(figures, Some((Step::Replay, Fault::Differs)));
    assert_eq!(Fault::Differs.exit_code(), 3);
    let page = changed(&|bundle| fs::write(bundle.file("report.html"), "<p>All is well.").unwrap());
    assert_eq!(page, Some((Step::Replay, Fault::Differs)));
    let policy = changed(&|bundle| fs::write(bundle.file("policy/config.json"), "{}").unwrap());
    assert_eq!(policy, Some((Step::Replay, Fault::Differs)));
}

#[test]
fn without_a_trusted_key_nothing_is_verified() {
    let world = World::new();
    let bundle = bundle(&world);
    let refused = verify(&bundle.dir, Vec::new()).err().unwrap();
    assert_eq!((refused.step, refused.fault), (Step::Key, Fault::UnknownSigner));
}
