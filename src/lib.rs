//! Hypersine: implicit neural representations whose weights a hypernetwork writes, evaluated by
//! compute shaders on any GPU, or by their twin on the CPU.

pub mod bench;
mod cache;
pub mod cpu;
pub mod engine;
pub mod error;
pub mod fidelity;
pub mod gpu;
pub mod math;
pub mod measure;
pub mod model;
pub mod output;
pub mod signal;
pub mod surface;
pub mod trace;
pub mod train;
pub mod viewer;

pub use error::{Error, Result};
