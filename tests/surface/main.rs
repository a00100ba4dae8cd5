//! Surfaces of fields whose shape is known, and of fields that are nothing but noise.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../common/analytic.rs"]
mod analytic;
mod bodies;
mod checks;
mod fields;
mod files;
mod noise;
mod search;
mod shapes;
