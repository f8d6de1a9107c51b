//! What is served of a log: its tiles and bundles, by the paths of C2SP tlog-tiles. Only what lies in files; what a client
//! asks for in another spelling is nothing.

use std::fs;
use std::io;
use std::path::Path;
use std::str::FromStr;

use spark_core::merkle::{TILE_WIDTH, tile_index_path};

const HASH_BYTES: usize = 32;

/// Of what a tile is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Hashes, at a level from 0 to 63.
    Hashes(u8),
    /// The leaves themselves, each after its length.
    Entries,
}

/// A tile of a log, as a path names it: `<L>/<N>[.p/<W>]` or `entries/<N>[.p/<W>]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TilePath {
    /// Of what it is made.
    pub kind: Kind,
    /// Its number.
    pub index: u64,
    /// How much of it is asked for: 1 to 255, or all 256.
    pub width: u64,
}

impl TilePath {
    /// The tile in the archive `dir`; `None` when it has none so large. A part of a full tile is given from that.
    pub fn read(&self, dir: &Path) -> io::Result<Option<Vec<u8>>> {
        let full = Self { width: TILE_WIDTH, ..*self };
        if self.width == TILE_WIDTH {
            return read(&dir.join(full.relative()));
        }
        if let Some(bytes) = read(&dir.join(self.relative()))? {
            return Ok(Some(bytes));
        }
        Ok(read(&dir.join(full.relative()))?.and_then(|mut bytes| {
            let length = match self.kind {
                Kind::Hashes(_) => Some(self.width as usize * HASH_BYTES).filter(|length| *length <= bytes.len()),
                Kind::Entries => length_of(&bytes, self.width),
            };
            bytes.truncate(length?);
            Some(bytes)
        }))
    }

    /// Its path below the log's.
    fn relative(&self) -> String {
        let index = tile_index_path(self.index);
        let kind = match self.kind {
            Kind::Hashes(level) => level.to_string(),
            Kind::Entries => "entries".to_owned(),
        };
        match self.width {
            TILE_WIDTH => format!("tile/{kind}/{index}"),
            width => format!("tile/{kind}/{index}.p/{width}"),
        }
    }
}

/// How many bytes the first `count` of length-prefixed leaves have.
fn length_of(bytes: &[u8], count: u64) -> Option<usize> {
    let mut end = 0;
    for _ in 0..count {
        let length = u16::from_be_bytes(bytes.get(end..end + 2)?.try_into().ok()?);
        end += 2 + usize::from(length);
    }
    (end <= bytes.len()).then_some(end)
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The text names no tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a tile is tile/<level>/<number>, tile/entries/<number>, or a part of one with .p/<width> behind it")]
pub struct NoTile;

impl FromStr for TilePath {
    type Err = NoTile;

    fn from_str(text: &str) -> Result<Self, NoTile> {
        let (kind, rest) = text.split_once('/').ok_or(NoTile)?;
        let kind = match kind {
            "entries" => Kind::Entries,
            level => Kind::Hashes(number(level).filter(|level| *level < 64).ok_or(NoTile)? as u8),
        };
        let (number_path, width) = match rest.split_once(".p/") {
            Some((path, width)) => (path, number(width).filter(|width| (1..TILE_WIDTH).contains(width)).ok_or(NoTile)?),
            None => (rest, TILE_WIDTH),
        };
        let mut index: u64 = 0;
        for part in number_path.split('/') {
            let digits = part.strip_prefix('x').unwrap_or(part);
            let part = digits.parse::<u16>().ok().filter(|part| *part < 1_000).ok_or(NoTile)?;
            index = index.checked_mul(1_000).and_then(|index| index.checked_add(part.into())).ok_or(NoTile)?;
        }
        // One tile has one path.
        if tile_index_path(index) != number_path {
            return Err(NoTile);
        }
        Ok(Self { kind, index, width })
    }
}

/// A decimal number in its shortest form.
fn number(text: &str) -> Option<u64> {
    text.parse::<u64>().ok().filter(|number| number.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_specification() {
        for (text, kind, index, width) in [
            ("0/000", Kind::Hashes(0), 0, 256),
            ("63/255.p/1", Kind::Hashes(63), 255, 1),
            ("entries/x001/x234/067", Kind::Entries, 1_234_067, 256),
            ("entries/x001/000.p/255", Kind::Entries, 1_000, 255),
        ] {
            let tile: TilePath = text.parse().unwrap();
            assert_eq!((tile.kind, tile.index, tile.width), (kind, index, width), "{text}");
            assert_eq!(tile.relative(), format!("tile/{text}"));
        }
    }

    #[test]
    fn no_other_path_leads_anywhere() {
        for text in [
            "",
            "0",
            "0/",
            "/000",
            "64/000",
            "00/000",
            "+1/000",
            "a/000",
            "0/0",
            "0/00",
            "0/0000",
            "0/x000/000",
            "0/001/000",
            "0/x001",
            "0/x001/",
            "0/000/",
            "0/1000",
            "0/000.p",
            "0/000.p/",
            "0/000.p/0",
            "0/000.p/256",
            "0/000.p/01",
            "0/000.p/1/",
            "0/000.p/1.p/1",
            "0/../000",
            "entries/../../wal/000",
            "0/x999/x999/x999/x999/x999/x999/x999/999",
            "0/+01",
            "0/ 01",
            "0/-01",
            "0/x+01/000",
        ] {
            assert_eq!(text.parse::<TilePath>(), Err(NoTile), "{text:?}");
        }
    }

    #[test]
    fn a_part_of_a_full_tile_is_given_from_it() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, bytes: &[u8]| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        let read = |path: &str| path.parse::<TilePath>().unwrap().read(dir.path()).unwrap();
        write("tile/0/000", &[7; 8_192]);
        let entries: Vec<u8> = (0..=255_u8).flat_map(|number| [0, 1, number]).collect();
        write("tile/entries/000", &entries);
        write("tile/0/001.p/9", &[8; 288]);
        assert_eq!(read("0/000.p/3"), Some(vec![7; 96]));
        assert_eq!(read("entries/000.p/2"), Some(vec![0, 1, 0, 0, 1, 1]));
        assert_eq!(read("0/001.p/9"), Some(vec![8; 288]));
        for absent in ["0/001.p/8", "0/001", "1/000", "entries/001"] {
            assert_eq!(read(absent), None, "{absent}");
        }
    }
}
