//! Keys in files: made, given, added, retired, refused.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

use std::fs;
use std::path::{Path, PathBuf};

use spark_evidence::keys::KeysError;
use spark_evidence::{Given, Keys, Vkey};
use tempfile::TempDir;

fn vkeys(keys: &Keys) -> Vec<String> {
    keys.active().map(|signer| signer.vkey().to_string()).collect()
}

fn only_pem(dir: &Path) -> PathBuf {
    let mut paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    paths.find(|path| path.extension().is_some_and(|end| end == "pem")).unwrap()
}

#[test]
fn the_first_start_makes_a_key_and_the_next_finds_it() {
    let data = TempDir::new().unwrap();
    let dir = data.path().join("keys");
    assert_eq!(Keys::load(&dir, &[]).unwrap().active().count(), 0);
    assert!(!dir.exists(), "looking makes nothing");
    let made = vkeys(&Keys::load_or_make(&dir, &[]).unwrap());
    assert_eq!(made.len(), 1);
    assert_eq!(vkeys(&Keys::load_or_make(&dir, &[]).unwrap()), made);
    let pem = only_pem(&dir);
    assert_eq!(fs::read_to_string(pem.with_extension("vkey")).unwrap().trim_end(), made[0]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&pem).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn both_keys_sign_until_one_is_retired_and_its_signatures_stay_good() {
    let dir = TempDir::new().unwrap();
    let mut keys = Keys::load_or_make(dir.path(), &[]).unwrap();
    let first = keys.active().next().unwrap().vkey().clone();
    let second = keys.make().unwrap().vkey().clone();
    let note = keys.sign_note("text\n").unwrap();
    assert_eq!(note.verify([&first, &second]).unwrap(), [&first, &second]);

    let mut again = Keys::load(dir.path(), &[]).unwrap();
    assert_eq!(again.retire(first.name()).unwrap(), first);
    let after = Keys::load(dir.path(), &[]).unwrap();
    assert_eq!((vkeys(&after), after.retired()), (vec![second.to_string()], &[first.clone()][..]));
    let newer = after.sign_note("text\n").unwrap();
    assert!(newer.verify([&first]).is_err());
    assert_eq!(newer.verify(after.public()).unwrap(), [&second]);
    assert_eq!(note.verify(after.public()).unwrap().len(), 2, "old evidence is verified with what is kept");

    let error = again.retire(second.name()).unwrap_err();
    assert!(matches!(error, KeysError::Last { .. }), "{error}");
    let error = again.retire(first.name()).unwrap_err();
    assert!(error.to_string().contains(&second.name()["spark/".len()..]), "{error}");
}

#[test]
fn a_key_that_is_given_signs_beside_those_that_are_there() {
    let (elsewhere, dir) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let theirs = Keys::load_or_make(elsewhere.path(), &[]).unwrap();
    let file = only_pem(elsewhere.path());
    for given in [Given::Pem(fs::read_to_string(&file).unwrap()), Given::File(file.clone())] {
        let keys = Keys::load_or_make(dir.path(), &[given.clone(), given]).unwrap();
        assert_eq!(vkeys(&keys), vkeys(&theirs), "no other is made, and it signs once");
    }
    let without = Keys::load(dir.path(), &[]).unwrap();
    assert_eq!(without.active().count(), 0, "the private part is not kept");
    assert_eq!(without.retired()[0].to_string(), vkeys(&theirs)[0], "the public part is");

    Keys::load_or_make(dir.path(), &[]).unwrap();
    assert_eq!(Keys::load(dir.path(), &[Given::File(file)]).unwrap().active().count(), 2);
}

#[test]
fn what_is_no_key_is_refused_and_never_shown() {
    let dir = TempDir::new().unwrap();
    Keys::load_or_make(dir.path(), &[]).unwrap();
    let path = only_pem(dir.path());
    let pem = fs::read_to_string(&path).unwrap();
    let given = |text: &str| match Keys::load(dir.path(), &[Given::Pem(text.to_owned())]) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("{text:?} was taken"),
    };
    let secret = &pem.lines().nth(1).unwrap()[24..60];
    for text in ["", "secret", &pem.replace("PRIVATE", "PUBLIC"), &pem[..80], &pem.replace(secret, &secret[4..])] {
        let said = given(text);
        assert!(said.contains("spark keys new") && !said.contains(&secret[8..16]), "{said}");
    }
    let missing = Keys::load(dir.path(), &[Given::File(dir.path().join("absent"))]).err().unwrap();
    assert!(missing.to_string().contains("absent"), "{missing}");

    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = Keys::load(dir.path(), &[]).err().unwrap();
        assert!(matches!(error, KeysError::Exposed { .. }) && error.to_string().contains("chmod 600"), "{error}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    // Somebody else's public key under this one's name.
    let other = Keys::load_or_make(TempDir::new().unwrap().path(), &[]).unwrap();
    let wrong: &Vkey = other.active().next().unwrap().vkey();
    fs::write(path.with_extension("vkey"), format!("{wrong}\n")).unwrap();
    let error = Keys::load(dir.path(), &[]).err().unwrap();
    assert!(matches!(error, KeysError::NotItsVkey { .. }), "{error}");
}
