//! Writes events of one run of one agent: numbers the frames, and never leaves it open whether a number was used.

use std::sync::Arc;

use compact_str::CompactString;
use spark_schemas::{Boot, Clock, Event, EventSubject, FRAME_VERSION, Frame, FrameError};
use tokio::sync::Mutex;

use crate::{AppendError, Appended, EventLog, Outgoing};

/// Why events were not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// They do not make a frame.
    #[error("the events do not fit a frame")]
    Frame(#[from] FrameError),
    /// The log did not take the frame, or did not say so. It may still turn up in the log, once.
    #[error("the log did not take the frame")]
    Append(#[from] AppendError),
}

/// Writes declarations and decisions of a service, a frame at a time.
pub struct EventWriter {
    log: Arc<dyn EventLog>,
    subject: EventSubject,
    run: Mutex<Run>,
    new_boot: fn() -> Boot,
}

struct Run {
    boot: Boot,
    next_seq: u64,
}

impl EventWriter {
    /// A writer to `subject`; `new_boot` draws 16 random bytes.
    pub fn new(log: Arc<dyn EventLog>, subject: EventSubject, new_boot: fn() -> Boot) -> Self {
        let run = Mutex::new(Run { boot: new_boot(), next_seq: 0 });
        Self { log, subject, run, new_boot }
    }

    /// Writes `events` as one frame; durable when it returns.
    pub async fn write(&self, events: Vec<Event>) -> Result<Appended, WriteError> {
        let mut run = self.run.lock().await;
        let frame = Frame {
            v: FRAME_VERSION,
            agent: self.subject.agent.clone(),
            boot: run.boot,
            seq: run.next_seq,
            clock: Clock { source: CompactString::const_new("system"), offset_us: None },
            events,
        };
        let outgoing = Outgoing::new(self.subject.clone(), &frame)?;
        match self.log.append(vec![outgoing]).await {
            Ok(appended) => {
                run.next_seq += 1;
                appended.into_iter().next().ok_or(WriteError::Append(AppendError::Closed))
            }
            Err(error) => {
                // Whether this number is used is unknown. A new run keeps the next frame from being taken for this one.
                *run = Run { boot: (self.new_boot)(), next_seq: 0 };
                Err(error.into())
            }
        }
    }
}
