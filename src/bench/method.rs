//! How anything is timed: made ready, warmed up by time, repeated in turns with what it is compared with, and checked.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::stats::{Summary, median};
use crate::measure::Clock;
use crate::{Error, Result};

/// Something that is timed.
pub trait Subject {
    /// Makes the outputs unfit, so that what was not written is seen.
    ///
    /// # Errors
    /// Where the device fails.
    fn poison(&mut self) -> Result<()>;

    /// Does the work so many times, and waits for it.
    ///
    /// # Errors
    /// Where the device fails.
    fn run(&mut self, repeats: u32) -> Result<Lap>;

    /// Compares what the last run left with what is right.
    ///
    /// # Errors
    /// Where the device fails.
    fn check(&mut self) -> Result<Check>;

    /// Figures of its own, by name.
    fn figures(&self) -> BTreeMap<String, f64> {
        BTreeMap::new()
    }
}

/// How long the repeats took, all together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lap {
    /// Seconds.
    pub seconds: f64,
    /// Of which clock.
    pub clock: Clock,
}

impl Lap {
    /// Times `f` by the wall clock.
    ///
    /// # Errors
    /// What `f` returns.
    pub fn wall(f: impl FnOnce() -> Result<()>) -> Result<Self> {
        let started = Instant::now();
        f()?;
        Ok(Self { seconds: started.elapsed().as_secs_f64(), clock: Clock::Wall })
    }
}

/// How right a subject's outputs are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// The largest error; no number (null in a record) where an output was not written or is not finite.
    #[serde(deserialize_with = "number_or_none")]
    pub error: f64,
    /// What it may be.
    pub bound: f64,
    /// How many numbers were compared.
    pub numbers: usize,
}

impl Check {
    /// Whether it is right.
    pub fn passes(&self) -> bool {
        self.error <= self.bound
    }
}

/// JSON has no infinity.
fn number_or_none<'de, D: serde::Deserializer<'de>>(reader: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(reader)?.unwrap_or(f64::INFINITY))
}

/// How long and how often.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Method {
    /// Seconds of running before anything counts: clocks rise, caches fill, drivers compile.
    pub warm_up_s: f64,
    /// The least length of a sample: short work is repeated, on a GPU within one pass.
    pub lap_s: f64,
    /// Samples of each subject.
    pub samples: usize,
    /// Seconds of them, at most: of what takes longer there are fewer samples, but three.
    pub most_s: f64,
    /// Seed of the resampling.
    pub seed: u64,
}

/// What was measured of a subject.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Time {
    /// Seconds of one run.
    #[serde(flatten)]
    pub summary: Summary,
    /// Every sample: seconds of one run, in the order in which they were taken.
    pub samples: Vec<f64>,
    /// Runs that a sample is the mean of.
    pub repeats: u32,
    /// Which clock they are of.
    pub clock: Clock,
    /// Median of the later half of the samples over that of the earlier: far from 1 where the clock drifted.
    pub drift: f64,
}

impl Method {
    /// A look: about a tenth of a second for each subject.
    pub fn quick() -> Self {
        Self { warm_up_s: 0.05, lap_s: 0.01, samples: 7, most_s: 0.25, seed: 0 }
    }

    /// A measurement.
    pub fn thorough() -> Self {
        Self { warm_up_s: 0.5, lap_s: 0.02, samples: 21, most_s: 10.0, seed: 0 }
    }

    /// Times subjects that are compared with each other: sample by sample in turns, forwards and backwards, so that what
    /// changes meanwhile changes for all. Then the outputs, poisoned at the start, are checked.
    ///
    /// # Errors
    /// Where there is nothing to be measured, or a subject fails.
    pub fn race(&self, subjects: &mut [&mut dyn Subject]) -> Result<Vec<(Time, Check)>> {
        if self.samples == 0 {
            return Err(Error::invalid("0 samples measure nothing; give at least 1"));
        }
        let mut repeats = Vec::new();
        let mut longest = 0.0_f64;
        for subject in &mut *subjects {
            subject.poison()?;
            let (enough, each) = self.warm_up(*subject)?;
            repeats.push(enough);
            longest = longest.max(f64::from(enough) * each);
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturating; bounded right away")]
        let affordable = (self.most_s / longest) as usize;
        let turns = affordable.max(3).min(self.samples);
        let mut samples = vec![Vec::with_capacity(turns); subjects.len()];
        // Of the GPU only if all samples are.
        let mut clocks = vec![Clock::GpuTimestamps; subjects.len()];
        for turn in 0..turns {
            for i in 0..subjects.len() {
                let i = if turn % 2 == 0 { i } else { subjects.len() - 1 - i };
                let lap = subjects[i].run(repeats[i])?;
                samples[i].push(lap.seconds / f64::from(repeats[i]));
                if lap.clock == Clock::Wall {
                    clocks[i] = Clock::Wall;
                }
            }
        }
        let of = |(i, samples): (usize, Vec<f64>)| {
            let check = subjects[i].check()?;
            let time = Time {
                summary: Summary::of(&samples, self.seed),
                drift: drift(&samples),
                samples,
                repeats: repeats[i],
                clock: clocks[i],
            };
            Ok((time, check))
        };
        samples.into_iter().enumerate().map(of).collect()
    }

    /// Runs for some time, and tells how many runs make a sample, and the seconds of one.
    fn warm_up(&self, subject: &mut dyn Subject) -> Result<(u32, f64)> {
        let (warm_up, started) = (Duration::from_secs_f64(self.warm_up_s), Instant::now());
        let mut repeats = 1;
        loop {
            let lap = subject.run(repeats)?;
            let each = (lap.seconds / f64::from(repeats)).max(1e-9);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
            let enough = (self.lap_s / each).ceil().clamp(1.0, 1e4) as u32;
            // A first run is slow: it says little about how many are enough.
            repeats = enough.min(repeats.saturating_mul(8));
            if started.elapsed() >= warm_up {
                return Ok((repeats, each));
            }
        }
    }
}

/// The later half over the earlier one; 1 where there are too few to tell.
fn drift(samples: &[f64]) -> f64 {
    let half = samples.len() / 2;
    if half == 0 { 1.0 } else { median(&samples[samples.len() - half..]) / median(&samples[..half]) }
}

#[cfg(test)]
mod tests {
    use super::super::stats::Verdict;
    use super::super::twin::Expected;
    use super::*;

    /// Sines of random numbers, computed so many times, by a clock that counts them; some are computed wrong, or not at all.
    struct Sines {
        inputs: Vec<f32>,
        outputs: Vec<f32>,
        passes: u32,
        wrong: Option<usize>,
        lazy: Option<usize>,
        laps: u32,
    }

    impl Sines {
        fn new() -> Self {
            let inputs: Vec<f32> = (0..1000_u16).map(|i| f32::from(i) * 0.618 + 0.1).collect();
            Self { outputs: vec![0.0; inputs.len()], inputs, passes: 1, wrong: None, lazy: None, laps: 0 }
        }
    }

    impl Subject for Sines {
        fn poison(&mut self) -> Result<()> {
            self.outputs.fill(f32::NAN);
            Ok(())
        }

        fn run(&mut self, repeats: u32) -> Result<Lap> {
            let mut computed = 0;
            for _ in 0..repeats * self.passes {
                for (i, (y, x)) in self.outputs.iter_mut().zip(&self.inputs).enumerate() {
                    if self.lazy != Some(i) {
                        *y = x.sin();
                        computed += 1;
                    }
                }
                if let Some(i) = self.wrong {
                    self.outputs[i] += 1e-4;
                }
            }
            self.laps += 1;
            // A nanosecond each, and noise of up to 10 %.
            let noise = 1.0 + 0.1 * (f64::from(self.laps) * 0.618).fract();
            Ok(Lap { seconds: f64::from(computed) * 1e-9 * noise, clock: Clock::Wall })
        }

        fn check(&mut self) -> Result<Check> {
            let exact = self.inputs.iter().map(|&x| f64::from(x).sin());
            Ok(Expected::some((0..self.inputs.len()).collect(), exact.collect(), 1e-6).check(&self.outputs))
        }
    }

    fn method() -> Method {
        Method { warm_up_s: 1e-3, lap_s: 1e-5, samples: 9, most_s: 1.0, seed: 1 }
    }

    #[test]
    fn a_wrong_kernel_is_caught_however_fast_it_is() {
        let (mut right, mut wrong, mut lazy) = (Sines::new(), Sines::new(), Sines::new());
        wrong.wrong = Some(777);
        lazy.lazy = Some(3);
        let results = method().race(&mut [&mut right, &mut wrong, &mut lazy]).unwrap();
        let checks: Vec<Check> = results.iter().map(|r| r.1).collect();
        println!("right {:.1e}, wrong {:.1e}, lazy {:.1e}", checks[0].error, checks[1].error, checks[2].error);
        assert!(checks[0].passes() && checks[0].numbers == 1000);
        assert!(!checks[1].passes() && checks[1].error > 9e-5);
        assert!(!checks[2].passes() && checks[2].error.is_infinite(), "what was poisoned and not written is seen");
    }

    #[test]
    fn a_slowed_kernel_is_caught_and_an_equal_one_is_not() {
        let (mut base, mut equal, mut slowed) = (Sines::new(), Sines::new(), Sines::new());
        slowed.passes = 3;
        let results = method().race(&mut [&mut base, &mut equal, &mut slowed]).unwrap();
        let times: Vec<Summary> = results.iter().map(|r| r.0.summary).collect();
        assert_eq!(Verdict::of(&times[2], &times[0]), Verdict::Slower, "{times:?}");
        assert_eq!(Verdict::of(&times[0], &times[2]), Verdict::Faster);
        assert_eq!(Verdict::of(&times[1], &times[0]), Verdict::Same);
        let ratio = times[2].median / times[0].median;
        assert!((2.7..3.3).contains(&ratio), "{ratio}");
    }

    #[test]
    fn drift_is_the_later_half_over_the_earlier() {
        assert_eq!(drift(&[1.0, 1.0, 9.0, 2.0, 2.0]), 2.0);
        assert_eq!(drift(&[3.0]), 1.0);
    }
}
