//! What an archive says, read with Spark's own code: for tests that ask what was said, and not whether it is read rightly.

use std::path::Path;

use spark_eventlog::archive::View;
use spark_schemas::{Event, Frame, Leaf};

/// Every event in an archive, in order; of leaves that are no frames none.
///
/// # Panics
/// When the archive can't be read.
pub fn events_of_archive(archive: &Path) -> Vec<Event> {
    let view = View::open(archive).expect("the archive");
    let mut events = Vec::new();
    for leaf in view.leaves(1).expect("leaves") {
        let leaf = leaf.expect("a leaf");
        let leaf = Leaf::decode(&leaf).expect("a leaf");
        let Ok(subject) = leaf.subject.parse() else { continue };
        events.extend(Frame::decode(leaf.payload, &subject).into_iter().flat_map(|frame| frame.events));
    }
    events
}
