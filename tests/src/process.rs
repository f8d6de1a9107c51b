//! Child processes: started with their output in files, killed at the latest when the test ends.

use std::fs::{self, File, OpenOptions};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use crate::wait::{self, LONG};

/// How much of a log a failed test shows.
const SHOWN_LINES: usize = 60;

/// A running program.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
    /// What runs before this one left in the file.
    earlier: usize,
}

impl Process {
    /// Starts `command`; what it prints is appended to files in `logs`.
    ///
    /// # Panics
    /// When it can't be started.
    pub fn start(mut command: Command, name: &str, logs: &Path) -> Self {
        let [stdout, stderr] = ["out", "err"].map(|end| logs.join(format!("{name}.{end}")));
        let earlier = fs::metadata(&stdout).map_or(0, |file| file.len() as usize);
        command.stdin(Stdio::null()).stdout(append_to(&stdout)).stderr(append_to(&stderr));
        let child = command.spawn().unwrap_or_else(|error| panic!("start {command:?}: {error}"));
        Self { name: name.to_owned(), child, stdout, stderr, earlier }
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What this run printed so far.
    pub fn stdout(&self) -> String {
        read(&self.stdout).split_off(self.earlier)
    }

    /// What it and the runs before it logged.
    pub fn stderr(&self) -> String {
        read(&self.stderr)
    }

    /// The rest of the first line that starts with `start`, once it is printed.
    ///
    /// # Panics
    /// When it is not printed in time.
    pub fn printed(&mut self, start: &str) -> String {
        wait::until(&format!("{} prints {start:?}", self.name), LONG, || {
            let printed = self.stdout();
            let line = printed.lines().find_map(|line| line.strip_prefix(start)).map(str::to_owned);
            line.ok_or_else(|| match self.ended() {
                Some(status) => panic!("{} ended with {status}: {}{}", self.name, printed, self.stderr()),
                None => printed,
            })
        })
    }

    /// How it ended, if it has.
    ///
    /// # Panics
    /// When the operating system does not say.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("wait for a child")
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn wait(&mut self) -> ExitStatus {
        let name = self.name.clone();
        wait::until(&format!("{name} ends"), LONG, || self.ended().ok_or_else(|| "it still runs".to_owned()))
    }

    /// Sends a signal by name, such as `HUP`.
    ///
    /// # Panics
    /// When it can't be sent.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(status.expect("start kill").success(), "send {name} to {}", self.name);
    }

    /// Asks it to stop, and waits for its end.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait()
    }

    /// Ends it at once, without a chance to clean up (SIGKILL).
    pub fn kill(&mut self) {
        let _ended_already = self.child.kill();
        let _status = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            for path in [&self.stdout, &self.stderr] {
                let text = read(path);
                let lines: Vec<&str> = text.lines().collect();
                let shown = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
                eprintln!("--- {} ({} lines)\n{}", path.display(), lines.len(), shown.join("\n"));
            }
        }
    }
}

/// How a command ended and what it said.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code.
    pub code: i32,
    /// What it printed.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
}

/// Runs a command to its end.
///
/// # Panics
/// When it can't be started, does not end in time, or is ended by a signal.
#[track_caller]
pub fn run(mut command: Command) -> Finished {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("start {command:?}: {error}"));
    let (stdout, stderr) = (reader(child.stdout.take()), reader(child.stderr.take()));
    let began = wait::now();
    let status = loop {
        match child.try_wait().expect("wait for a child") {
            Some(status) => break status,
            None if began.elapsed() > LONG => {
                let _ended_already = child.kill();
                panic!("{command:?} did not end within {LONG:?}");
            }
            None => thread::sleep(Duration::from_millis(5)),
        }
    };
    let [stdout, stderr] = [stdout, stderr].map(|text| text.join().expect("read the output"));
    let code = status.code().unwrap_or_else(|| panic!("{command:?} ended by a signal: {status}"));
    Finished { code, stdout, stderr }
}

fn reader(from: Option<impl std::io::Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        from.expect("the stream was piped").read_to_end(&mut bytes).expect("read the output");
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn append_to(path: &Path) -> File {
    let opened = OpenOptions::new().create(true).append(true).open(path);
    opened.unwrap_or_else(|error| panic!("open {}: {error}", path.display()))
}

fn read(path: &Path) -> String {
    let mut bytes = Vec::new();
    if let Ok(mut file) = File::open(path) {
        let _partly = file.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
