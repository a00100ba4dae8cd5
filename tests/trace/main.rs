//! Pictures of solids: `cargo test --release --test trace`.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(unreachable_pub, reason = "the parts share what they need")]

#[path = "../common/analytic.rs"]
mod analytic;
mod cameras;
#[path = "../common/mod.rs"]
mod common;
mod devices;
mod fields;
mod marching;
mod shading;
mod silhouettes;
