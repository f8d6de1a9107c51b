use std::sync::Mutex;

use spark_eventlog::Recorded;
use spark_schemas::event::{Alert, AlertState};
use spark_schemas::{Boot, Class, Clock, EventSubject, FRAME_VERSION, Frame};

use super::*;
use crate::{Phase, Projection};

const SLO: &str = "orders";

/// Takes messages on JSON subjects, unless the connection is gone.
#[derive(Default)]
struct Wire {
    is_gone: Mutex<bool>,
    taken: Mutex<Vec<serde_json::Value>>,
}

#[async_trait]
impl Publish for Wire {
    async fn publish(&self, subject: String, payload: Bytes) -> Result<(), Box<dyn Error + Send + Sync>> {
        if *self.is_gone.lock().unwrap() {
            return Err("the connection is gone".into());
        }
        if subject.starts_with("spark.json.") {
            self.taken.lock().unwrap().push(serde_json::from_slice(&payload)?);
        }
        Ok(())
    }

    async fn publish_with_headers(
        &self,
        subject: String,
        _headers: Vec<(&'static str, String)>,
        payload: Bytes,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.publish(subject, payload).await
    }
}

/// The log says that the alert fires.
fn fire(projection: &Projection, seq: u64) {
    let (at_ns, agent) = (TimeNs(seq * TimeNs::SECOND), Name::new("aggregator").unwrap());
    let alert = Alert {
        id: format!("alert-{seq}").into(),
        at_ns,
        slo: Name::new(SLO).unwrap(),
        state: AlertState::Firing,
        reason: "it burns".to_owned(),
        severity: None,
        long: "1h".into(),
        short: "5m".into(),
        previous: if seq > 1 { format!("alert-{}", seq - 1).into() } else { "".into() },
    };
    let subject = EventSubject { partition: 0, agent: agent.clone(), class: Class::Ctl };
    let (boot, events) = (Boot([1; 16]), vec![alert.into()]);
    let frame = Frame { v: FRAME_VERSION, agent, boot, seq: seq - 1, clock: Clock::default(), events };
    let rejected = projection.apply(&[Recorded {
        seq,
        received_ns: at_ns.0,
        subject: subject.to_string(),
        msg_id: frame.msg_id().to_string(),
        payload: frame.encode().unwrap().into(),
    }]);
    assert_eq!(rejected, []);
}

#[tokio::test]
async fn an_alert_that_was_not_published_is_published_once_that_works_again() {
    let (projection, wire) = (Projection::in_memory(0), Arc::new(Wire::default()));
    projection.set_status(|status| status.phase = Phase::Live);
    let publisher: Arc<dyn Publish> = Arc::<Wire>::clone(&wire);
    let clock: WallClock = Arc::new(|| TimeNs(60 * TimeNs::SECOND));
    let derived = Derived { projections: projection.clone().into(), publisher, clock };
    let mut published = Published::default();
    let said = || -> Vec<String> {
        let taken = wire.taken.lock().unwrap();
        taken.iter().map(|message| message["id"].as_str().unwrap().to_owned()).collect()
    };

    fire(&projection, 1);
    derived.tick(&mut published).await.unwrap();
    assert_eq!(said(), [""; 0], "what was before the start is old news");
    fire(&projection, 2);
    fire(&projection, 3);
    *wire.is_gone.lock().unwrap() = true;
    for _ in 0..2 {
        derived.tick(&mut published).await.unwrap_err();
    }
    *wire.is_gone.lock().unwrap() = false;
    for _ in 0..2 {
        derived.tick(&mut published).await.unwrap();
        assert_eq!(said(), ["alert-2", "alert-3"], "in their order, and once");
    }
}
