//! The rules themselves, in one place. Each says why, in the words that the error uses.

/// Crates that compute and nothing else: no clock, no I/O, no async. Time is an argument there.
pub const PURE_CRATES: [&str; 2] = ["spark-core", "spark-schemas"];

/// What must not be in a pure crate's tree, however far down.
pub const IMPURE: [(&str, &[&str]); 6] = [
    (
        "async",
        &[
            "async-io",
            "async-std",
            "async-trait",
            "futures",
            "futures-executor",
            "smol",
            "tokio",
            "tokio-rustls",
            "tokio-util",
        ],
    ),
    (
        "the network",
        &[
            "async-nats",
            "axum",
            "h2",
            "hyper",
            "hyper-util",
            "mio",
            "native-tls",
            "openssl",
            "reqwest",
            "rustls",
            "socket2",
            "ureq",
        ],
    ),
    ("the disk", &["fs2", "memmap2", "notify", "rustix", "sled", "tempfile", "walkdir"]),
    (
        "a clock or the machine's time zone",
        &["chrono", "coarsetime", "iana-time-zone", "instant", "quanta", "time", "web-time"],
    ),
    ("randomness", &["fastrand", "getrandom", "rand", "uuid"]),
    ("a global recorder", &["log", "metrics", "tracing"]),
];

/// A dependency that one crate has to itself, so that the rest can't come to rely on it.
pub struct Owned {
    /// The dependency.
    pub dependency: &'static str,
    /// The only crate that may name it.
    pub owner: &'static str,
}

/// Who owns what.
pub const OWNED: [Owned; 4] = [
    Owned { dependency: "rmp", owner: "spark-schemas" },
    Owned { dependency: "rmp-serde", owner: "spark-schemas" },
    Owned { dependency: "sled", owner: "spark-aggregator" },
    Owned { dependency: "async-nats", owner: "spark-eventlog" },
];

/// Crates outside those walls: to test or measure a thing, one may need what is behind it. So do the tests inside a
/// crate: development dependencies are not looked at.
pub const TEST_CRATES: [&str; 2] = ["spark-properties", "spark-tests"];

/// Paths that must not be used in some folders.
pub struct SourceRule {
    /// Folders, from the workspace's root.
    pub folders: &'static [&'static str],
    /// Paths; all below them are meant too.
    pub banned: &'static [&'static str],
    /// Completes "PATH is used, but …".
    pub because: &'static str,
}

/// What source may not name. Tests (`#[cfg(test)]`) may.
pub const SOURCE_RULES: [SourceRule; 2] = [
    SourceRule {
        folders: &["schemas/src", "services/core/src"],
        banned: &[
            "std::env",
            "std::fs",
            "std::io::stderr",
            "std::io::stdin",
            "std::io::stdout",
            "std::net",
            "std::process",
            "std::thread::sleep",
            "std::time::Instant",
            "std::time::SystemTime",
            "std::time::UNIX_EPOCH",
            "jiff::Timestamp::now",
            "jiff::Zoned::now",
            "jiff::tz::TimeZone::system",
            "jiff::tz::TimeZone::try_system",
        ],
        because: "a pure crate has no clock and no I/O: take it as an argument (for addresses there is core::net)",
    },
    SourceRule {
        folders: &["services/aggregator/src", "services/eventlog/src", "services/probe/src", "services/web/src"],
        banned: &[
            "std::env::set_var",
            "std::env::var",
            "std::env::var_os",
            "std::env::vars",
            "std::env::vars_os",
            "metrics::set_global_recorder",
            "tracing::subscriber::set_global_default",
        ],
        because: "only services/spark reads the environment and installs the global recorder and subscriber",
    },
];
