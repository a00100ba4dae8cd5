//! What evaluation costs: time per phase and memory per use, in the same words for both backends.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Which clock a duration was read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Clock {
    /// The GPU's timestamps at the start and end of each pass.
    GpuTimestamps,
    /// The host's clock from submission to completion.
    #[default]
    Wall,
}

/// What was timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Trunks and heads.
    Generate,
    /// The INR.
    Evaluate,
}

/// Time spent per phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Timings {
    /// Seconds of trunks and heads.
    pub generate_s: f64,
    /// Seconds of INR evaluation; under the fused strategy this includes its heads.
    pub evaluate_s: f64,
    /// Which clock these are of.
    pub clock: Clock,
}

impl Timings {
    /// Adds a duration to a phase.
    pub fn add(&mut self, phase: Phase, time: Duration) {
        match phase {
            Phase::Generate => self.generate_s += time.as_secs_f64(),
            Phase::Evaluate => self.evaluate_s += time.as_secs_f64(),
        }
    }

    /// Adds the times of another part of the same work.
    pub fn merge(&mut self, other: &Self) {
        self.generate_s += other.generate_s;
        self.evaluate_s += other.evaluate_s;
        self.clock = other.clock;
    }
}

/// The engine's allocations in bytes: the highest mark of each use, and of all device memory together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Parameters and their tables.
    pub model: u64,
    /// Latents and trunk outputs.
    pub features: u64,
    /// Materialised weights; 0 when everything was fused on a GPU, a few sets per core when fused on the CPU.
    pub theta: u64,
    /// Evaluated values.
    pub output: u64,
    /// Gradients, moments, and what a backward pass needs of the forward pass.
    pub learning: u64,
    /// Uniforms, timestamps, lists of points.
    pub other: u64,
    /// Highest sum of all of the above at one time.
    pub peak: u64,
    /// Host-side copies of a GPU's results; not part of `peak`.
    pub readback: u64,
}

impl Memory {
    /// The higher of both marks, use by use.
    pub fn merge(&mut self, other: &Self) {
        let marks = [
            (&mut self.model, other.model),
            (&mut self.features, other.features),
            (&mut self.theta, other.theta),
            (&mut self.output, other.output),
            (&mut self.learning, other.learning),
            (&mut self.other, other.other),
            (&mut self.peak, other.peak),
            (&mut self.readback, other.readback),
        ];
        for (mark, other) in marks {
            *mark = (*mark).max(other);
        }
    }
}

/// The work of an evaluation, by what it costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Work {
    /// Dispatches, or on the CPU parallel loops.
    pub dispatches: f64,
    /// Multiply-adds of trunks and heads beforehand; those of one latent for each pass over the weights, where several share one.
    pub generated: f64,
    /// Numbers of theta written beforehand, and multiply-adds of those that are no linear function of the features.
    pub written: f64,
    /// Multiply-adds of the INRs, those of idle invocations among them.
    pub evaluated: f64,
    /// Weights that tiles of points load.
    pub loaded: f64,
    /// Multiply-adds of heads inside the evaluating kernel.
    pub filled: f64,
}

impl Work {
    /// Kinds of work.
    pub const TERMS: usize = 6;

    /// All kinds, in the order of the fields.
    pub fn terms(&self) -> [f64; Self::TERMS] {
        [self.dispatches, self.generated, self.written, self.evaluated, self.loaded, self.filled]
    }

    /// The inverse of [`Work::terms`].
    pub fn from_terms(terms: [f64; Self::TERMS]) -> Self {
        let [dispatches, generated, written, evaluated, loaded, filled] = terms;
        Self { dispatches, generated, written, evaluated, loaded, filled }
    }
}
