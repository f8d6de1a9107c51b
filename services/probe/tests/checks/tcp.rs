//! TCP: a connection is all that is asked for.

use spark_core::units::DurationUs;
use spark_schemas::event::FailReason;

use crate::servers::{accept, closed_port};
use crate::{assert_failed, assert_ok, run, target};

#[tokio::test]
async fn a_connection_passes_and_a_closed_port_fails() {
    let server = accept(|_, _| async {}).await;
    let seen = run(&target(&format!("tcp://{}", server.address))).await;
    assert_ok(&seen);
    assert!(seen.status.is_none() && seen.phases.connect_us.is_some() && seen.phases.first_byte_us.is_none());
    let seen = run(&target(&format!("tcp://localhost:{}", server.address.port()))).await;
    assert_ok(&seen);
    let seen = run(&target(&format!("tcp://{}", closed_port().await))).await;
    assert_failed(&seen, FailReason::Connect, "127.0.0.1");
}

#[tokio::test]
async fn the_latency_limit_holds_for_tcp_too() {
    let server = accept(|_, _| async {}).await;
    let mut target = target(&format!("tcp://{}", server.address));
    target.latency_max = Some(DurationUs(1));
    assert_failed(&run(&target).await, FailReason::Latency, "limit 0.001 ms");
}
