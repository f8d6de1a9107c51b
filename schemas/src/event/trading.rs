//! What a trading executor may tell: its portfolio and its strategies. Figures are decimal strings; Spark computes none.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Name, TimeNs};

/// The state of one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Portfolio {
    /// When it was so.
    pub at_ns: TimeNs,
    /// The account.
    pub account: Name,
    /// The currency of `equity` and of the positions' values, such as `TRY`.
    pub currency: String,
    /// All of it together.
    pub equity: String,
    /// Each holding.
    #[serde(default)]
    pub positions: Vec<Position>,
    /// From a demo source.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub demo: bool,
}

/// One holding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Position {
    /// The instrument, such as `BTCTRY` or `THYAO`.
    pub symbol: String,
    /// How much of it; negative when short.
    pub quantity: String,
    /// The average price paid.
    pub average_price: String,
    /// What it is worth now.
    pub value: String,
}

/// The state of one strategy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Strategy {
    /// When it was so.
    pub at_ns: TimeNs,
    /// The strategy.
    pub name: Name,
    /// Such as `running`, `paused`, `halted`.
    pub state: String,
    /// Profit and loss today, in `currency`.
    pub pnl: String,
    /// The currency of `pnl`.
    pub currency: String,
    /// Orders that are open.
    #[serde(default)]
    pub open_orders: u64,
    /// From a demo source.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub demo: bool,
}
