//! The API: one module for each thing it tells.

mod asked;
pub(crate) mod canary;
pub(crate) mod config;
mod declaring;
pub(crate) mod deployments;
pub(crate) mod gate;
pub(crate) mod health;
pub(crate) mod log;
pub(crate) mod maintenances;
pub(crate) mod metrics;
pub(crate) mod problem;
pub(crate) mod reports;
pub(crate) mod slos;
pub(crate) mod smoke;
pub(crate) mod targets;
pub(crate) mod windows;

use serde_json::Value;

/// A decimal string as a JSON number; a whole number has no point.
pub(crate) fn number(decimal: &str) -> Value {
    if let Ok(whole) = decimal.parse::<u64>() {
        return Value::from(whole);
    }
    decimal.parse::<f64>().map_or(Value::Null, Value::from)
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_read_as_they_are_written() {
        for text in ["0", "12", "12.345", "0.0001", "150"] {
            assert_eq!(super::number(text).to_string(), text);
        }
    }
}
