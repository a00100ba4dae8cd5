//! Learning, apart from the machine that computes gradients: losses, optimisers, schedules.

mod loss;
mod optimiser;
mod schedule;

pub use loss::{Loss, Penalties, Supervised};
pub use optimiser::{Adam, AdamConfig, Decay, Ema, Moments, Parameter, clip, parameters, scatter_rows};
pub use schedule::{Curve, Schedule};
