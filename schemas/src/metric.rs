//! The names of all metrics, in one place: dashboards and alert rules are tested against it.
//!
//! Prometheus's conventions: base units (seconds, bytes), `_total` on counters.

/// A metric's kind, for its `# TYPE` line and the tests of dashboards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only rises.
    Counter,
    /// Rises and falls.
    Gauge,
    /// A distribution.
    Histogram,
}

macro_rules! metrics {
    ($($(#[doc = $doc:literal])+ $const:ident: $kind:ident = $name:literal;)+) => {
        $($(#[doc = $doc])+ pub const $const: &str = $name;)+

        /// Every metric: its name, kind and help text.
        pub const ALL: &[(&str, Kind, &str)] = &[$(($name, Kind::$kind, concat!($($doc),+)),)+];
    };
}

metrics! {
    /// Build information in labels; always 1.
    BUILD_INFO: Gauge = "spark_build_info";
    /// Checks that a probe ran, by target and outcome.
    PROBE_CHECKS: Counter = "spark_probe_checks_total";
    /// Slots that a probe missed, by target and reason.
    PROBE_MISSED: Counter = "spark_probe_missed_slots_total";
    /// How long after its slot began a check started.
    PROBE_LATENESS: Histogram = "spark_probe_lateness_seconds";
    /// Checks that run now.
    PROBE_RUNNING: Gauge = "spark_probe_checks_running";
    /// Times the wall clock stepped, by direction.
    PROBE_CLOCK_STEPS: Counter = "spark_probe_clock_steps_total";
    /// How long checks took, by target.
    PROBE_LATENCY: Histogram = "spark_probe_check_duration_seconds";
    /// Frames that wait in the probe's outbox.
    OUTBOX_FRAMES: Gauge = "spark_outbox_frames";
    /// Bytes that the probe's outbox holds on disk.
    OUTBOX_BYTES: Gauge = "spark_outbox_bytes";
    /// Bytes that the probe's outbox may hold; what comes beyond is counted as missed.
    OUTBOX_BYTES_MAX: Gauge = "spark_outbox_max_bytes";
    /// Frames that the log acknowledged.
    OUTBOX_ACKED: Counter = "spark_outbox_acked_total";
    /// Publishes to the log that failed and are tried again.
    OUTBOX_RETRIES: Counter = "spark_outbox_retries_total";
    /// First attempts that the log called duplicates: somebody else used the message id.
    OUTBOX_FOREIGN_DUPLICATES: Counter = "spark_outbox_foreign_duplicates_total";
    /// Observations that a full outbox could not keep.
    OUTBOX_DROPPED: Counter = "spark_outbox_dropped_total";
    /// Frames appended to the log by this process.
    LOG_APPENDED: Counter = "spark_log_appended_total";
    /// A partition's last sequence number as this process sees it.
    LOG_LAST_SEQ: Gauge = "spark_log_last_seq";
    /// Whether this process is connected to a NATS server: 1 or 0.
    LOG_CONNECTED: Gauge = "spark_log_connected";
    /// What happened to the connection to NATS, by event.
    LOG_CONNECTION_EVENTS: Counter = "spark_log_connection_events_total";
    /// Frames folded.
    FOLD_FRAMES: Counter = "spark_fold_frames_total";
    /// Observations counted.
    FOLD_OBSERVATIONS: Counter = "spark_fold_observations_total";
    /// Frames that had been counted before.
    FOLD_DUPLICATES: Counter = "spark_fold_duplicates_total";
    /// Frames rejected: they stay in the log, and no figure counts them.
    FOLD_REJECTED: Counter = "spark_fold_rejected_total";
    /// Copies of rejected messages for subscribers of `spark.dead`, by result.
    DEAD_LETTERS: Counter = "spark_dead_letters_total";
    /// How far the fold of a partition is behind the log, in frames.
    FOLD_LAG: Gauge = "spark_fold_lag_frames";
    /// Series that the fold of a partition keeps.
    FOLD_SERIES: Gauge = "spark_fold_series";
    /// How long a checkpoint of the store took.
    STORE_CHECKPOINT: Histogram = "spark_store_checkpoint_seconds";
    /// Times the store was set aside and rebuilt from the log.
    STORE_REBUILDS: Counter = "spark_store_rebuilds_total";
    /// Leaves that the newest signed checkpoint of a partition's log has.
    CHECKPOINT_LEAVES: Gauge = "spark_checkpoint_leaves";
    /// Times a checkpoint was not signed, by reason: `fork` when the log is not what was signed before.
    CHECKPOINT_FAILURES: Counter = "spark_checkpoint_failures_total";
    /// Observations in the window, by target and window.
    SLO_OBSERVATIONS: Gauge = "spark_slo_observations";
    /// The share of failed observations, 0 to 1, by target and window.
    SLO_ERROR_RATIO: Gauge = "spark_slo_error_ratio";
    /// Latency quantiles, by target, window and q.
    SLO_LATENCY: Gauge = "spark_slo_latency_seconds";
    /// How far past due the next observation is, by target.
    SLO_STALENESS: Gauge = "spark_slo_staleness_seconds";
    /// Received of expected observations, 0 to 1, by target and window.
    SLO_COMPLETENESS: Gauge = "spark_slo_completeness_ratio";
    /// The share of the error budget that is left, 1 to 0, below 0 once it is overspent; by slo.
    SLO_BUDGET_REMAINING: Gauge = "spark_slo_error_budget_remaining_ratio";
    /// How many times faster than the objective allows its budget burned, by slo and window.
    SLO_BURN_RATE: Gauge = "spark_slo_burn_rate";
    /// An alert's state, by slo, severity and windows: 0 is off, 1 pending, 2 firing.
    SLO_ALERT: Gauge = "spark_slo_alert_state";
    /// Whether the target is up: 1, 0, or absent when unknown.
    TARGET_UP: Gauge = "spark_target_up";
    /// HTTP requests served, by route and status.
    HTTP_REQUESTS: Counter = "spark_http_requests_total";
    /// How long HTTP requests took, by route.
    HTTP_DURATION: Histogram = "spark_http_request_duration_seconds";
    /// Gate decisions, by verdict.
    GATE_DECISIONS: Counter = "spark_gate_decisions_total";
    /// Canary runs, by mode and verdict.
    CANARY_RUNS: Counter = "spark_canary_runs_total";
    /// Maintenances declared and called off, and deployments marked, by kind.
    DECLARATIONS: Counter = "spark_declarations_total";
    /// Configuration reloads, by result.
    CONFIG_RELOADS: Counter = "spark_config_reloads_total";
    /// Live event streams that are open.
    LIVE_STREAMS: Gauge = "spark_live_streams";
}
