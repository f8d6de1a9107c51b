//! Daily reports of logs made by hand: each figure is known before the report says it.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

#[path = "../support/mod.rs"]
mod support;

mod amendments;
mod days;
mod incidents;
mod said;
mod same;
mod shown;
mod world;
