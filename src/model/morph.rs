//! A morph: a way through several latents in time.

use serde::{Deserialize, Serialize};

use super::Path;

/// How time passes between two keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Easing {
    /// Evenly
    #[default]
    Linear,
    /// Slowly at both: 3 t^2 - 2 t^3
    Smooth,
}

impl Easing {
    /// How far the way between two keys is gone at time `t`, both from 0 to 1.
    pub fn at(self, t: f32) -> f32 {
        match self {
            Self::Linear => t,
            Self::Smooth => t * t * (3.0 - 2.0 * t),
        }
    }
}

/// From key to key, each segment in one unit of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Morph {
    /// Latents of one length, in order.
    pub keys: Vec<Vec<f32>>,
    /// How two neighbours are joined.
    pub path: Path,
    /// How time passes in each segment.
    pub easing: Easing,
    /// Whether the last key is followed by the first.
    pub closed: bool,
}

impl Morph {
    /// Number of segments, which is the time that the morph takes.
    pub fn segments(&self) -> usize {
        if self.closed { self.keys.len() } else { self.keys.len().saturating_sub(1) }
    }

    /// The latent at time `t`, which is key `k` where `t` is `k`; before 0 the first, after all segments the last one.
    /// Empty where there are no keys.
    pub fn at(&self, t: f32) -> Vec<f32> {
        let Some(last) = self.segments().checked_sub(1) else {
            return self.keys.first().cloned().unwrap_or_default();
        };
        let t = t.clamp(0.0, (last + 1) as f32);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a count of keys")]
        let segment = (t as usize).min(last);
        let (from, to) = (&self.keys[segment], &self.keys[(segment + 1) % self.keys.len()]);
        self.path.at(from, to, self.easing.at(t - segment as f32))
    }

    /// So many latents at equal distances in time. An open morph's are at both its ends, too; a closed one's end a step
    /// before its start, so that they can be shown over and over.
    pub fn frames(&self, count: usize) -> impl Iterator<Item = Vec<f32>> {
        let steps = if self.closed { count } else { count.saturating_sub(1) }.max(1) as f32;
        (0..count).map(move |i| self.at(i as f32 * self.segments() as f32 / steps))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn morph(closed: bool) -> Morph {
        Morph { keys: vec![vec![0.0, 1.0], vec![4.0, 1.0], vec![4.0, 3.0]], closed, ..Morph::default() }
    }

    #[test]
    fn keys_are_passed_at_whole_times() {
        for (path, easing, closed) in [(Path::Linear, Easing::Smooth, true), (Path::Spherical, Easing::Linear, false)] {
            let m = Morph { path, easing, ..morph(closed) };
            assert_eq!(m.segments(), if closed { 3 } else { 2 });
            for (t, key) in [(-1.0, 0), (0.0, 0), (1.0, 1), (2.0, 2), (9.0, if closed { 0 } else { 2 })] {
                let near = m.at(t).iter().zip(&m.keys[key]).all(|(a, b)| (a - b).abs() < 1e-6);
                assert!(near, "{path:?} at {t}: {:?}", m.at(t));
            }
        }
        assert_eq!(morph(true).at(2.5), [2.0, 2.0]);
        assert_eq!(Morph { easing: Easing::Smooth, ..morph(false) }.at(0.25), [4.0 * 0.15625, 1.0]);
    }

    #[test]
    fn frames_are_evenly_spaced_and_loops_do_not_repeat_their_start() {
        let firsts = |m: &Morph, count| m.frames(count).map(|z| z[0] + z[1]).collect::<Vec<f32>>();
        assert_eq!(firsts(&morph(false), 5), [1.0, 3.0, 5.0, 6.0, 7.0]);
        assert_eq!(firsts(&morph(true), 6), [1.0, 3.0, 5.0, 6.0, 7.0, 4.0]);
        let still = Morph { keys: vec![vec![2.0]], ..Morph::default() };
        assert_eq!(still.frames(2).collect::<Vec<_>>(), [[2.0], [2.0]]);
        assert_eq!(Morph::default().frames(1).collect::<Vec<_>>(), [Vec::<f32>::new()]);
    }
}
