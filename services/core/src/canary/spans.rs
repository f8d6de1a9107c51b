//! Times that maintenance takes out of a side.

use spark_schemas::event::{Maintenance, TimeSpan};
use spark_schemas::{Name, TimeNs};

/// The parts of `span` in which `target` was in maintenance: apart and in order.
pub fn maintained<'a>(
    maintenances: impl Iterator<Item = &'a Maintenance>,
    target: &Name,
    span: TimeSpan,
) -> Vec<TimeSpan> {
    let of_target = maintenances.filter(|one| one.targets.is_empty() || one.targets.contains(target));
    let cut =
        of_target.map(|one| TimeSpan { from_ns: one.from_ns.max(span.from_ns), to_ns: one.to_ns.min(span.to_ns) });
    let mut spans: Vec<TimeSpan> = cut.filter(|part| part.from_ns < part.to_ns).collect();
    spans.sort_unstable();
    let mut apart: Vec<TimeSpan> = Vec::with_capacity(spans.len());
    for span in spans {
        match apart.last_mut() {
            Some(last) if span.from_ns <= last.to_ns => last.to_ns = last.to_ns.max(span.to_ns),
            _ => apart.push(span),
        }
    }
    apart
}

/// Whether `at` is in one of `spans`.
pub(super) fn is_in(spans: &[TimeSpan], at: TimeNs) -> bool {
    spans.iter().any(|span| span.from_ns <= at && at < span.to_ns)
}

#[cfg(test)]
mod tests {
    use spark_schemas::event::MaintenanceAction;

    use super::*;

    #[test]
    fn maintenances_of_a_target_are_cut_to_the_span_and_joined() {
        let span = |from, to| TimeSpan { from_ns: TimeNs(from), to_ns: TimeNs(to) };
        let name = |text: &str| Name::new(text).unwrap();
        let maintenance = |id, targets: &[&str], from, to| Maintenance {
            at_ns: TimeNs(0),
            id: name(id),
            action: MaintenanceAction::Add,
            targets: targets.iter().map(|target| name(target)).collect(),
            from_ns: TimeNs(from),
            to_ns: TimeNs(to),
            reason: String::new(),
            by: String::new(),
        };
        let all = [
            maintenance("early", &[], 0, 100),
            maintenance("start", &["shop"], 90, 120),
            maintenance("others", &["feed"], 130, 140),
            maintenance("joins", &["feed", "shop"], 120, 125),
            maintenance("end", &[], 190, 500),
            maintenance("inside", &[], 192, 195),
        ];
        assert_eq!(maintained(all.iter(), &name("shop"), span(100, 200)), [span(100, 125), span(190, 200)]);
        assert_eq!(maintained(all[..3].iter(), &name("x"), span(100, 200)), []);
        assert!(is_in(&[span(3, 5)], TimeNs(3)) && !is_in(&[span(3, 5)], TimeNs(5)));
    }
}
