//! Faults that tests inject into writing: a full disk, a failing sync.

use std::fs::File;
use std::io::{self, Write as _};
use std::sync::{Arc, Mutex};

/// What shall go wrong; clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults(Arc<Mutex<Plan>>);

#[derive(Debug, Default)]
struct Plan {
    room: Option<usize>,
    sync_fails: bool,
}

impl Faults {
    /// The disk has room for this many more bytes, or for any number.
    pub fn set_room(&self, room: Option<usize>) {
        self.0.lock().unwrap().room = room;
    }

    /// Syncing fails from now on.
    pub fn fail_sync(&self) {
        self.0.lock().unwrap().sync_fails = true;
    }

    /// Fails as a full disk does, after writing what fits; otherwise writes nothing.
    pub fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        let mut plan = self.0.lock().unwrap();
        match plan.room.as_mut() {
            Some(room) if *room < bytes.len() => {
                file.write_all(&bytes[..*room])?;
                Err(io::ErrorKind::StorageFull.into())
            }
            Some(room) => {
                *room -= bytes.len();
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Fails when told to.
    pub fn sync(&self) -> io::Result<()> {
        if self.0.lock().unwrap().sync_fails { Err(io::Error::other("injected")) } else { Ok(()) }
    }
}
