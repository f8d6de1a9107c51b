//! An archive whose files are not what was written.

mod alter;
mod forge;
mod small;

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use spark_eventlog::archive::{Archive, ArchiveOptions, OpenError, View};
use spark_eventlog::{EventLog, Recorded};
use spark_schemas::{Leaf, TimeNs};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// An archive's files by their paths in it.
type Files = BTreeMap<String, Vec<u8>>;

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().build().unwrap();
}

/// The bytes say which archive, what is in its leaves (`forge`), and what happens to its files (`alter`). Whatever is
/// read of it then, by a view or by whoever opens it, is a leaf that was in it at that place, from the first on, and
/// then the end or an error. What opens takes another frame, and has it when it is looked at again.
pub fn archive(bytes: &[u8]) {
    let mut bytes = bytes.iter().copied();
    let mut small = small::Small::from(&mut bytes);
    let from = 1 + u64::from(number(&mut bytes)) % 1_000;
    forge::some(&mut small.leaves, &mut bytes);
    let mut files = small.files();
    alter::some(&mut files, &mut bytes);

    let dir = folder();
    write(dir.path(), &files);
    let seen = seen(dir.path(), from, &small.leaves);
    let Some(opened) = opened(dir.path(), &small.leaves) else { return };
    assert!(seen.is_none_or(|seen| seen == opened.had), "both ways of reading see the same");
    small.leaves.truncate(opened.had);
    small.leaves.push(opened.took);
    let again = self::seen(dir.path(), 1, &small.leaves);
    assert_eq!(again, Some(opened.had + 1), "it has what it had, and the new one");
}

/// Two bytes; zeros when there are none left.
fn number(bytes: &mut impl Iterator<Item = u8>) -> u16 {
    u16::from_be_bytes([(); 2].map(|()| bytes.next().unwrap_or_default()))
}

/// In memory, where there is such a place: nothing here is about what survives a crash of the machine.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { TempDir::new_in(memory).unwrap() } else { TempDir::new().unwrap() }
}

fn write(dir: &Path, files: &Files) {
    for (path, bytes) in files {
        let path: PathBuf = dir.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// How many leaves a view reads of those that were written; `None` when it says that something is wrong.
fn seen(dir: &Path, from: u64, written: &[Vec<u8>]) -> Option<usize> {
    let view = match View::open(dir) {
        Ok(view) => view,
        Err(error) => {
            says_something(&error);
            return matches!(error, OpenError::Absent { .. }).then_some(0);
        }
    };
    for size in [view.size() / 2, view.size()] {
        if let Ok(range) = view.frontier_at(size) {
            assert_eq!(range.expect("no more than there are").size(), size);
        }
    }
    let all = read(&view, 1, written);
    let rest = if from == 1 { all.clone() } else { read(&view, from, written) };
    let all = all?;
    assert_eq!(all.start, 0);
    let wanted = written[all.clone()].iter().filter(|leaf| Leaf::decode(leaf).unwrap().next_seq() > from).count();
    let rest = rest.expect("the rest is good where all of it is");
    assert_eq!((rest.len(), rest.end), (wanted, all.end), "from {from} on there is the rest of it");
    Some(all.end)
}

/// The places of the leaves from a sequence number on, each of which is that which was written there.
fn read(view: &View, from: u64, written: &[Vec<u8>]) -> Option<Range<usize>> {
    let mut leaves = view.leaves(from).inspect_err(says_something).ok()?;
    let mut places: Option<Range<usize>> = None;
    while let Some(leaf) = leaves.next() {
        let leaf = leaf.inspect_err(says_something).ok()?;
        let place = leaves.next_index() as usize - 1;
        assert!(written[place] == leaf, "leaf {place} is not the one that was written");
        assert!(places.as_ref().is_none_or(|places| places.end == place), "leaf {place} comes in its turn");
        places = Some(places.map_or(place, |places| places.start)..place + 1);
    }
    // Nothing at all is nothing before the end.
    let end = leaves.next_index() as usize;
    Some(places.unwrap_or(if from == 1 { 0..0 } else { end..end }))
}

/// An archive that opened and was read to its end.
struct Opened {
    /// How many leaves it had.
    had: usize,
    /// The leaf that it took then.
    took: Vec<u8>,
}

/// Opens the archive for writing; `None` when it, or reading it, says that something is wrong.
fn opened(dir: &Path, written: &[Vec<u8>]) -> Option<Opened> {
    let (archive, _repair) = Archive::open(dir, options()).inspect_err(says_something).ok()?;
    RUNTIME.with(|runtime| {
        runtime.block_on(async {
            let had = read_all(&archive, written).await?;
            let frame = Recorded { seq: archive.next_seq(), ..small::frame(0) };
            archive.record(vec![frame.clone()]).await.unwrap();
            archive.sync().await.unwrap();
            Some(Opened { had, took: frame.to_leaf().encode().unwrap() })
        })
    })
}

/// How many leaves it has, each of which is that which was written there.
async fn read_all(archive: &Archive, written: &[Vec<u8>]) -> Option<usize> {
    let last_seq = archive.bounds().await.unwrap().last_seq;
    let mut reader = archive.read(1).await.inspect_err(says_something).ok()?;
    let (mut count, mut next) = (0, 1);
    while next <= last_seq {
        for frame in reader.next_batch().await.inspect_err(says_something).ok()? {
            assert!(frame.to_leaf() == Leaf::decode(&written[count]).unwrap(), "leaf {count} is another");
            next = frame.next_seq();
            count += 1;
        }
    }
    Some(count)
}

/// The clock stands where the last leaves are young enough to be looked at for their message ids.
fn options() -> ArchiveOptions {
    ArchiveOptions { clock: Arc::new(|| TimeNs(small::RECEIVED_NS + 1_000_000_000)), ..ArchiveOptions::default() }
}

fn says_something(error: &impl std::fmt::Display) {
    assert!(!error.to_string().is_empty());
}
