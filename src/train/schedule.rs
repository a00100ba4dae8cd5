//! Learning rates over time.

use serde::{Deserialize, Serialize};

/// What a learning rate is multiplied by at each step: a linear warm-up, then a curve over what is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Schedule {
    /// Steps in which the factor rises to 1; the first one has `1 / warm_up`.
    pub warm_up: u64,
    /// What follows.
    pub curve: Curve,
}

/// The course of a learning rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Curve {
    /// 1 throughout.
    #[default]
    Constant,
    /// Half a cosine from 1 to `to` (Loshchilov & Hutter 2017, without restarts).
    Cosine {
        /// The factor at the end.
        to: f64,
    },
    /// Multiplied by `factor` after every `every` steps.
    Step {
        /// Steps between two changes.
        every: u64,
        /// Usually below 1.
        factor: f64,
    },
}

impl Schedule {
    /// The factor of step `step`, counted from 0, of `total`.
    pub fn factor(&self, step: u64, total: u64) -> f64 {
        if step < self.warm_up {
            return (step + 1) as f64 / self.warm_up as f64;
        }
        let (step, total) = (step - self.warm_up, total.saturating_sub(self.warm_up));
        match self.curve {
            Curve::Constant => 1.0,
            Curve::Cosine { to } => {
                let t = (step as f64 / total.max(1) as f64).min(1.0);
                to + (1.0 - to) * 0.5 * (1.0 + (std::f64::consts::PI * t).cos())
            }
            Curve::Step { every, factor } => factor.powf((step / every.max(1)) as f64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_start_and_end_where_they_say() {
        let cosine = Schedule { warm_up: 10, curve: Curve::Cosine { to: 0.1 } };
        let factors = [0, 4, 9, 10, 60, 110, 500].map(|step| cosine.factor(step, 110));
        for (got, want) in factors.iter().zip([0.1, 0.5, 1.0, 1.0, 0.55, 0.1, 0.1]) {
            assert!((got - want).abs() < 1e-12, "{factors:?}");
        }
        let step = Schedule { warm_up: 0, curve: Curve::Step { every: 100, factor: 0.5 } };
        assert_eq!([0, 99, 100, 250].map(|s| step.factor(s, 1000)), [1.0, 1.0, 0.5, 0.25]);
        assert_eq!(Schedule::default().factor(7, 10), 1.0);
    }
}
