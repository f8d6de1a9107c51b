//! Spark's own values as JSON. That can't fail: they are written to memory, and every key in them is a text.

use serde::Serialize;
use serde_json::Value;

const NEVER: &str = "string keys only, in memory";

/// The value in bytes, its fields in the order in which the type has them.
#[expect(clippy::expect_used, reason = "it can't fail, see above")]
pub(crate) fn bytes<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect(NEVER)
}

/// The value as a tree.
#[expect(clippy::expect_used, reason = "it can't fail, see above")]
pub(crate) fn tree<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).expect(NEVER)
}

/// The value as a text whose keys are in order, so that equal values have one text.
pub(crate) fn canonical<T: Serialize>(value: &T) -> String {
    let mut tree = tree(value);
    // Whether a tree keeps its maps sorted by itself hangs on a feature that any dependency may switch on.
    tree.sort_all_objects();
    tree.to_string()
}
