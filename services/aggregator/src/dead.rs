//! Dead letters: copies of rejected messages for who listens on `spark.dead`.
//!
//! What is guaranteed is elsewhere: the message stays a leaf of the log, the fold counts it, and a `rejected` event
//! reports it. The copy comes at most once while this process runs, and not for what was rejected before it started. It
//! never holds up the fold for long: when NATS does not keep up, copies are dropped and counted.

use std::sync::Arc;
use std::time::Duration;

use spark_eventlog::Recorded;
use spark_schemas::{metric, subject};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::derived::Publish;

/// Copies that wait to be published.
const WAITING_MAX: usize = 1_024;
/// How long the fold waits for room, for all that a batch rejects.
const PATIENCE: Duration = Duration::from_secs(1);

/// A message that no figure counts, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The log that has it (`EVENTS@<created>`).
    pub origin: String,
    /// As it was recorded.
    pub message: Recorded,
    /// What was wrong with it.
    pub reason: String,
}

/// Hands rejected messages over for publishing.
#[derive(Debug, Clone)]
pub struct DeadLetters(mpsc::Sender<DeadLetter>);

/// Publishes what is handed over.
#[derive(Debug)]
pub struct DeadLetterOffice(mpsc::Receiver<DeadLetter>);

/// Both ends.
pub fn dead_letters() -> (DeadLetters, DeadLetterOffice) {
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    (DeadLetters(sender), DeadLetterOffice(receiver))
}

impl DeadLetters {
    /// Hands over `letters`; drops those that there is no room for in time.
    pub(crate) async fn hand_over(&self, letters: Vec<DeadLetter>) {
        let deadline = Instant::now() + PATIENCE;
        for letter in letters {
            match timeout_at(deadline, self.0.reserve()).await {
                Ok(Ok(room)) => room.send(letter),
                Ok(Err(_)) | Err(_) => count("dropped"),
            }
        }
    }
}

impl DeadLetterOffice {
    /// Publishes until `shutdown`.
    pub async fn run(mut self, publisher: Arc<dyn Publish>, shutdown: CancellationToken) {
        loop {
            let letter = tokio::select! {
                biased;
                letter = self.0.recv() => letter,
                () = shutdown.cancelled() => return,
            };
            let Some(DeadLetter { origin, message, reason }) = letter else {
                return shutdown.cancelled().await;
            };
            let headers = vec![
                ("Spark-Reason", in_a_line(&reason)),
                ("Spark-Log", in_a_line(&origin)),
                ("Spark-Seq", message.seq.to_string()),
                ("Spark-Received-Ns", message.received_ns.to_string()),
                ("Spark-Subject", in_a_line(&message.subject)),
                ("Spark-Msg-Id", in_a_line(&message.msg_id)),
            ];
            let sent = publisher.publish_with_headers(subject::DEAD_LETTER.to_owned(), headers, message.payload).await;
            count(if sent.is_ok() { "published" } else { "dropped" });
        }
    }
}

fn count(result: &'static str) {
    metrics::counter!(metric::DEAD_LETTERS, "result" => result).increment(1);
}

/// A header's value is one line; what comes from outside may be anything, and long.
fn in_a_line(text: &str) -> String {
    const CHARS_MAX: usize = 500;
    text.chars().take(CHARS_MAX).map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect()
}
