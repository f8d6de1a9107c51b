//! `/portfolio` and `/strategies`: what a trading executor publishes, as it publishes it. Spark computes none of it.

use maud::{Markup, html};
use spark_core::view::View;
use spark_schemas::event::{Portfolio, Strategy};

use super::Region;
use super::frame::Frame;
use super::panel::{badges, empty, panel};
use crate::format::{count, stamp};

pub(super) fn portfolios(view: &View<'_>) -> Vec<Portfolio> {
    view.declarations().portfolios.values().cloned().collect()
}

pub(super) fn strategies(view: &View<'_>) -> Vec<Strategy> {
    view.declarations().strategies.values().cloned().collect()
}

/// What to publish, and where.
fn nobody_publishes(kind: &str, example: &str) -> Markup {
    html! {
        (empty("No executor publishes yet", html! {
            "Nothing on the log has a " code { (kind) } " event. To connect an executor, let it publish frames with "
            code { (kind) } " events on the subject " code { "spark.evt.0.<its name>.ctl" } "; they show here at once."
        }))
        details .figures { summary { "What such an event looks like" } pre tabindex="0" { (example) } }
    }
}

const PORTFOLIO: &str = r#"{
  "portfolio": {
    "at_ns": 1785420180000000000,
    "account": "main",
    "currency": "TRY",
    "equity": "1250000.00",
    "positions": [
      { "symbol": "BTCTRY", "quantity": "0.25", "average_price": "3100000", "value": "812500.00" }
    ]
  }
}"#;

const STRATEGY: &str = r#"{
  "strategy": {
    "at_ns": 1785420180000000000,
    "name": "momentum",
    "state": "running",
    "pnl": "1840.50",
    "currency": "TRY",
    "open_orders": 3
  }
}"#;

pub(super) fn render_portfolios(frame: &Frame, accounts: &[Portfolio]) -> Region {
    let body = if accounts.is_empty() {
        nobody_publishes("portfolio", PORTFOLIO)
    } else {
        html! { @for account in accounts { (one_account(account)) } }
    };
    panel(frame, "portfolio", "panel wide", "Accounts", Ok(body))
}

fn one_account(account: &Portfolio) -> Markup {
    html! {
        article .account {
            header {
                h3 { (account.account) }
                (badges(account.demo, false))
                p .figure { data value=(account.equity) { (account.equity) } span .unit { (account.currency) } }
                p .note { "as of " (stamp(account.at_ns)) }
            }
            @if account.positions.is_empty() {
                p .why { "No holdings." }
            } @else {
                div .scroll tabindex="0" {
                    table .rows {
                        thead {
                            tr {
                                th scope="col" { "Instrument" } th .num scope="col" { "Quantity" }
                                th .num scope="col" { "Average price" } th .num scope="col" { "Value, " (account.currency) }
                            }
                        }
                        tbody {
                            @for position in &account.positions {
                                tr {
                                    th scope="row" { (position.symbol) }
                                    td .num { (position.quantity) }
                                    td .num { (position.average_price) }
                                    td .num { (position.value) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

pub(super) fn render_strategies(frame: &Frame, strategies: &[Strategy]) -> Region {
    let body = if strategies.is_empty() {
        nobody_publishes("strategy", STRATEGY)
    } else {
        html! {
            div .scroll tabindex="0" {
                table .rows {
                    thead {
                        tr {
                            th scope="col" { "Strategy" } th scope="col" { "State" } th .num scope="col" { "Profit and loss today" }
                            th .num scope="col" { "Open orders" } th scope="col" { "As of" }
                        }
                    }
                    tbody {
                        @for strategy in strategies {
                            tr {
                                th scope="row" { (strategy.name) " " (badges(strategy.demo, false)) }
                                td { (strategy.state) }
                                td .num { data value=(strategy.pnl) { (strategy.pnl) } span .unit { (strategy.currency) } }
                                td .num { (count(strategy.open_orders)) }
                                td { (stamp(strategy.at_ns)) }
                            }
                        }
                    }
                }
            }
        }
    };
    panel(frame, "strategies", "panel wide", "Strategies", Ok(body))
}
