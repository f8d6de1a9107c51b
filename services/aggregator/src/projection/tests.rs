use std::sync::mpsc;
use std::thread;

use super::*;

impl Projection {
    /// Damages the store beneath the fold.
    pub(crate) fn spoil_store(&self) {
        if let Buckets::Stored(store) = &self.read().buckets {
            store.disk().spoil_pages();
        }
    }
}

/// Health and pages say how the fold is from inside a view, while the fold waits for its turn to write.
#[test]
fn who_looks_may_ask_how_the_fold_is_while_a_writer_waits() {
    let projection = Projection::in_memory(0);
    let (told, asked) = mpsc::channel();
    thread::spawn(move || {
        let status = projection.view(TimeNs(0), |_| {
            let writer = projection.clone();
            thread::spawn(move || writer.begin("EVENTS@1"));
            // Nobody gets in any more once a writer waits.
            while projection.0.inner.try_read().is_ok() {
                thread::yield_now();
            }
            projection.status()
        });
        told.send(status.unwrap().position)
    });
    assert_eq!(asked.recv_timeout(Duration::from_secs(30)), Ok(0), "neither goes on");
}
