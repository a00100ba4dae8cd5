//! The shader benchmark harness. One suite so far: `evaluate`.

mod evaluate;

pub use evaluate::{EvaluateOptions, Row, evaluate};
