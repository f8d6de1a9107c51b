//! A small disk of its own for one directory, which can be filled up to the last page.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system in memory, mounted on a directory; gone when it is dropped. Mounting needs root.
#[derive(Debug)]
pub(super) struct SmallDisk {
    path: PathBuf,
    ballast: Option<File>,
}

impl SmallDisk {
    /// Mounts one at `path`, which is made when it is missing.
    pub(super) fn mount(path: PathBuf, megabytes: u32) -> Self {
        fs::create_dir_all(&path).expect("a directory to mount on");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "spark-test"]).arg(&path);
        assert!(mount.status().expect("start mount").success(), "a disk needs root: {mount:?}");
        Self { path, ballast: None }
    }

    /// Takes what is free, also what was freed since the last call.
    pub(super) fn fill(&mut self) {
        static CHUNK: [u8; 65_536] = [0; 65_536];
        let path = self.ballast_path();
        let file = self.ballast.get_or_insert_with(|| {
            OpenOptions::new().create(true).append(true).open(&path).expect("a file on the small disk")
        });
        let mut size = CHUNK.len();
        while size > 0 {
            match file.write(&CHUNK[..size]) {
                Ok(_written) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => size /= 2,
                Err(error) => panic!("fill {}: {error}", path.display()),
            }
        }
    }

    /// Whether nothing more fits now.
    pub(super) fn is_full(&self) -> bool {
        let trial = self.path.join("trial");
        let result = fs::write(&trial, [0; 8_192]);
        let _was_never_made = fs::remove_file(&trial);
        result.is_err_and(|error| error.kind() == ErrorKind::StorageFull)
    }

    /// Gives everything back.
    pub(super) fn free(&mut self) {
        self.ballast = None;
        fs::remove_file(self.ballast_path()).expect("delete the ballast");
    }

    fn ballast_path(&self) -> PathBuf {
        self.path.join("ballast")
    }

    /// Where it is mounted.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        self.ballast = None;
        // Lazily: somebody may still have a file of it open.
        let _gone_already = Command::new("umount").arg("--lazy").arg(&self.path).status();
    }
}
