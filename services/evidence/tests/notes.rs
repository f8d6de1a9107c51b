//! Signed notes: a published one, and everything that must not pass.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};
use spark_evidence::note::NoteError;
use spark_evidence::{Note, Vkey};

/// The example in the documentation of Go's `sumdb/note`, where the format comes from: key, secret, text and note.
const VKEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const SECRET: &str = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const TEXT: &str =
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const SIGNATURE: &str = "\u{2014} PeterNeumann \
     x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

fn published() -> String {
    format!("{TEXT}\n{SIGNATURE}")
}

fn vkey() -> Vkey {
    VKEY.parse().unwrap()
}

fn another() -> (SigningKey, Vkey) {
    let key = SigningKey::from_bytes(&[5; 32]);
    let vkey = Vkey::new("witness.example/w", key.verifying_key()).unwrap();
    (key, vkey)
}

#[test]
fn a_published_note_is_verified_and_made() {
    let note: Note = published().parse().unwrap();
    assert_eq!(note.text(), TEXT);
    assert_eq!(note.verify([&vkey()]).unwrap(), [&vkey()]);
    assert_eq!(note.to_string(), published());

    let secret = BASE64_STANDARD.decode(SECRET).unwrap();
    let key = SigningKey::from_bytes(secret[1..].try_into().unwrap());
    let mut made = Note::new(TEXT).unwrap();
    made.push(&vkey(), &key.sign(TEXT.as_bytes()).to_bytes());
    assert_eq!(made.to_string(), published());
}

/// The example of the specification; its key is not published.
#[test]
fn text_may_have_empty_lines() {
    let note: Note = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n\
         \u{2014} quasimodo.example/salvatore \
         NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n"
        .parse()
        .unwrap();
    assert!(note.text().ends_with("sole:\n\ned è subito sera.\n"));
    let error = note.verify([&vkey()]).unwrap_err();
    assert_eq!(error, NoteError::Unknown { signed_by: vec!["quasimodo.example/salvatore".to_owned()] });
}

#[test]
fn every_flipped_bit_is_noticed() {
    let good = published().into_bytes();
    for place in 0..good.len() {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[place] ^= 1 << bit;
            let Ok(text) = String::from_utf8(bytes) else { continue };
            let verified = text.parse::<Note>().and_then(|note| note.verify([&vkey()]).map(|_| ()));
            assert!(verified.is_err(), "byte {place} bit {bit}: {text}");
        }
    }
}

#[test]
fn signatures_of_others_neither_help_nor_hurt() {
    let (key, other) = another();
    let mut note: Note = published().parse().unwrap();
    note.push(&other, &[0; 64]);
    let note: Note = note.to_string().parse().unwrap();
    assert_eq!(note.signatures().len(), 2);
    assert_eq!(note.verify([&vkey()]).unwrap(), [&vkey()]);
    // Whoever trusts that key, too, is told.
    let error = note.verify([&vkey(), &other]).unwrap_err();
    assert_eq!(error, NoteError::Signature { name: other.name().to_owned() });

    let mut cosigned: Note = published().parse().unwrap();
    cosigned.push(&other, &key.sign(TEXT.as_bytes()).to_bytes());
    assert_eq!(cosigned.verify([&vkey(), &other]).unwrap(), [&vkey(), &other]);
    assert_eq!(cosigned.verify([&other]).unwrap(), [&other]);

    // The name alone makes no key.
    let impostor = Vkey::new(vkey().name(), key.verifying_key()).unwrap();
    let note: Note = published().parse().unwrap();
    assert!(matches!(note.verify([&impostor]), Err(NoteError::Unknown { .. })));
    assert!(matches!(note.verify([]), Err(NoteError::Unknown { .. })));
}

#[test]
fn what_is_no_note_is_refused() {
    let line = SIGNATURE;
    for text in [
        String::new(),
        "\n".to_owned(),
        "\n\n".to_owned(),
        TEXT.to_owned(),
        format!("{TEXT}{line}"),
        format!("{TEXT}\n"),
        format!("{TEXT}\n{}", line.trim_end()),
        format!("{TEXT}\n{line}\n"),
        format!("{TEXT}\n{line}more\n"),
        format!("{TEXT}\n{line}").replace('\u{2014}', "-"),
        format!("{TEXT}\n{line}").replace("M=\n", "M\n"),
        format!("{TEXT}\n{line}").replace("cryptography", "crypto\tgraphy"),
        format!("{TEXT}\n{line}").replace('\n', "\r\n"),
        format!("{TEXT}\n\u{2014} PeterNeumann x08gow==\n"),
        format!("{TEXT}\n\u{2014} Peter+Neumann AAAAAAA=\n"),
        format!("{TEXT}\n\u{2014}  AAAAAAA=\n"),
        format!("{TEXT}\n{}", line.repeat(101)),
        format!("{}\n{line}", "a\n".repeat(500_000)),
    ] {
        let shown: String = text.chars().take(300).collect();
        assert!(matches!(text.parse::<Note>(), Err(NoteError::Form(_))), "{shown:?}");
    }
    assert!(Note::new("no newline").is_err());
    assert!(Note::new("").is_err());
}
