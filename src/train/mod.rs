//! Learning, apart from the machine that computes gradients: losses, optimisers, schedules.

mod config;
mod encode;
mod inner;
mod learner;
mod optimiser;
mod sampling;
mod schedule;
mod session;
mod signals;
mod slopes;
mod solids;

pub use config::{
    ActivationKind, BatchConfig, Config, CurveKind, FamilyConfig, HeadKind, LossConfig, LossKind, NetworkConfig,
    OptimiserConfig, Sampling, StopConfig, Supervise,
};
pub use encode::{EncodeConfig, Observation, Observed, Progress, Search, encode};
pub use inner::InnerLoop;
pub use learner::{Learner, LearnerState, Wanted};
pub use optimiser::{Adam, AdamConfig, Decay, Ema, Moments, Parameter, clip, parameters, scatter_rows, squares};
pub use schedule::{Curve, Schedule};
pub use session::{Step, Trainer};
pub use signals::{Samples, Signals};
