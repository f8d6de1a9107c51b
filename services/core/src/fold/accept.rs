//! Which leaves are counted: each frame once, and only if it is one.

use std::collections::BTreeMap;

use spark_schemas::{Boot, Class, EventSubject, Frame, Leaf, MsgId, Name, TimeNs};

use super::AHEAD_MAX_NS;
use crate::boots::{BootMarks, Mark};

/// What was seen of each agent's runs.
pub(crate) type Runs = BTreeMap<Name, BTreeMap<Class, BTreeMap<Boot, BootMarks>>>;

fn is_known(runs: &Runs, agent: &Name, class: Class, boot: &Boot) -> bool {
    let boots = runs.get(agent).and_then(|classes| classes.get(&class));
    boots.is_some_and(|boots| boots.contains_key(boot))
}

pub(super) fn marks(runs: &mut Runs, agent: Name, class: Class, boot: Boot) -> &mut BootMarks {
    runs.entry(agent).or_default().entry(class).or_default().entry(boot).or_default()
}

/// The frame if it is to be counted, `None` if it was counted before, else why it is rejected.
pub(crate) fn accept(runs: &mut Runs, leaf: &Leaf<'_>) -> Result<Option<(EventSubject, Frame)>, String> {
    let subject: EventSubject = leaf.subject.parse().map_err(|error| format!("subject: {error}"))?;
    let decoded = Frame::decode(leaf.payload, &subject).map_err(|error| error.to_string());
    let identity = match &decoded {
        Ok(frame) => Some(frame.msg_id()),
        // A frame that can't be read still takes its number, so that it leaves no hole behind; but only in a run that
        // is known, so that rubbish under random ids is not remembered for ever.
        Err(_) => leaf.msg_id.parse().ok().filter(|id: &MsgId| is_known(runs, &subject.agent, subject.class, &id.boot)),
    };
    let Some(MsgId { boot, seq }) = identity else { return decoded.map(|frame| Some((subject, frame))) };
    match marks(runs, subject.agent.clone(), subject.class, boot).mark(seq) {
        Mark::Fresh => {}
        Mark::Duplicate => return Ok(None),
        Mark::TooManyHoles => return Err(format!("frame {seq} leaves too many holes in its boot's numbers")),
    }
    let frame = decoded?;
    match latest_slot(&frame) {
        Some(slot) if slot.0 > leaf.received_ns.saturating_add(AHEAD_MAX_NS) => {
            Err(format!("a slot at {slot} ns is more than 5 min ahead of the log's time {} ns", leaf.received_ns))
        }
        _ => Ok(Some((subject, frame))),
    }
}

/// The latest slot that the frame speaks of.
fn latest_slot(frame: &Frame) -> Option<TimeNs> {
    use spark_schemas::Event;
    let slots = frame.events.iter().filter_map(|event| match event {
        Event::Observed(observed) => Some(observed.slot_ns),
        Event::Missed(missed) => missed.last_slot_ns(),
        _ => None,
    });
    slots.max()
}
