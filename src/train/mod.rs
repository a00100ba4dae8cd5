//! Learning, apart from the machine that computes gradients: losses, optimisers, schedules.

mod config;
mod encode;
mod inner;
mod loss;
mod optimiser;
mod schedule;
mod session;
mod signals;

pub use config::{
    ActivationKind, BatchConfig, Config, CurveKind, FamilyConfig, HeadKind, LossConfig, LossKind, NetworkConfig,
    OptimiserConfig, StopConfig,
};
pub use encode::{EncodeConfig, Observed, Search, encode};
pub use inner::InnerLoop;
pub use loss::{Loss, Penalties, Supervised};
pub use optimiser::{Adam, AdamConfig, Decay, Ema, Moments, Parameter, clip, parameters, scatter_rows};
pub use schedule::{Curve, Schedule};
pub use session::{Step, Trainer};
pub use signals::{Samples, Signals};
