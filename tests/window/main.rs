//! The real binary in a real window under Xvfb, driven by synthetic mouse and keys, photographed, and compared with what
//! `render` makes of the same view. The photographs stay in target/screenshots.
//!
//! Needs Xvfb and xdotool; scripts/test.sh installs them. Linux only.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod monkey;
mod photographs;
mod pictures;
mod screen;
mod solids;
mod walk;
