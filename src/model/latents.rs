//! The table of named latent codes.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::init::normal;
use crate::math::Real;
use crate::{Error, Result};

/// Named latents of one length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LatentTable {
    names: Vec<String>,
    values: Vec<f32>,
}

impl LatentTable {
    /// `values` holds one latent per name, row-major.
    ///
    /// # Errors
    /// Where the rows cannot be of one length.
    pub fn new(names: Vec<String>, values: Vec<f32>) -> Result<Self> {
        let uneven = if names.is_empty() { !values.is_empty() } else { !values.len().is_multiple_of(names.len()) };
        if uneven {
            return Err(Error::invalid(format!(
                "{} names do not fit a latent table of {} numbers",
                names.len(),
                values.len()
            )));
        }
        Ok(Self { names, values })
    }

    /// Number of latents.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Length of one latent.
    pub fn dim(&self) -> usize {
        self.values.len().checked_div(self.names.len()).unwrap_or(0)
    }

    /// Names, in the order of the rows.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// All latents, row after row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Latent `index`.
    ///
    /// # Panics
    /// Where there is no such row.
    pub fn get(&self, index: usize) -> &[f32] {
        &self.values[index * self.dim()..][..self.dim()]
    }

    /// The latents' mean, entry by entry; no numbers where the table is empty.
    pub fn mean(&self) -> Vec<f64> {
        let column = |d: usize| self.values.iter().skip(d).step_by(self.dim());
        (0..self.dim()).map(|d| column(d).map(|&v| f64::from(v)).sum::<f64>() / self.len() as f64).collect()
    }

    /// The row that `key` names: an exact name first, else an index (`17`, or `#17` where a name could
    /// be read as a number).
    ///
    /// # Errors
    /// Where there is neither; the message suggests the nearest name.
    pub fn find(&self, key: &str) -> Result<usize> {
        if let Some(row) = self.names.iter().position(|n| n == key) {
            return Ok(row);
        }
        let digits = key.strip_prefix('#').unwrap_or(key);
        if let Ok(row) = digits.parse::<usize>() {
            if row < self.len() {
                return Ok(row);
            }
            if self.is_empty() {
                return Err(Error::invalid(format!("there is no latent {row}: the model has none")));
            }
            return Err(Error::invalid(format!(
                "there is no latent {row}: the model has {} (0 to {})",
                self.len(),
                self.len().saturating_sub(1)
            )));
        }
        // Fewest typing errors first; among those, the one that starts most alike.
        let errors = |name: &String| strsim::damerau_levenshtein(name, key);
        let alike = |name: &String| strsim::jaro_winkler(name, key);
        let nearest = self.names.iter().min_by(|a, b| errors(a).cmp(&errors(b)).then(alike(b).total_cmp(&alike(a))));
        let advice = nearest.map_or_else(|| "the model has no latents".to_owned(), |n| format!("did you mean '{n}'?"));
        Err(Error::invalid(format!("there is no latent named '{key}'; {advice}")))
    }

    pub(super) fn validate(&self, dim: usize) -> Result<()> {
        if !self.is_empty() && self.dim() != dim {
            return Err(Error::invalid(format!(
                "the latents have {} entries; the hypernetwork takes {dim}",
                self.dim()
            )));
        }
        match self.values.iter().position(|v| !v.is_finite()) {
            Some(i) => Err(Error::invalid(format!(
                "latent '{}' holds a number that is not finite",
                self.names[i / dim.max(1)]
            ))),
            None => Ok(()),
        }
    }
}

/// How to go from one latent to another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Path {
    /// `(1 - t) a + t b`
    #[default]
    Linear,
    /// Along the great circle, with the length going from one's to the other's; linear where the two are parallel.
    Spherical,
}

impl Path {
    /// The latent at `t`: `a` at 0, `b` at 1.
    pub fn at(self, a: &[f32], b: &[f32], t: f32) -> Vec<f32> {
        let (mut wa, mut wb) = (1.0 - f64::from(t), f64::from(t));
        if self == Self::Spherical {
            let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
            let (la, lb) = (dot(a, a).sqrt(), dot(b, b).sqrt());
            let angle = (dot(a, b) / (la * lb)).clamp(-1.0, 1.0).acos();
            if angle.sin() > 1e-6 {
                let length = wa * la + wb * lb;
                (wa, wb) =
                    ((wa * angle).sin() / angle.sin() * length / la, (wb * angle).sin() / angle.sin() * length / lb);
            }
        }
        a.iter().zip(b).map(|(&a, &b)| f32::from_f64(wa * f64::from(a) + wb * f64::from(b))).collect()
    }
}

impl LatentTable {
    /// A random latent from the normal distribution with the table's own mean and covariance:
    /// `mean + truncation sum_i e_i (z_i - mean) / sqrt(n)` with standard normal `e_i`. A truncation below 1 brings it nearer
    /// to the mean, to what the table has more of.
    ///
    /// # Errors
    /// Where the table is empty, or the truncation is not finite.
    pub fn sample(&self, seed: u64, truncation: f32) -> Result<Vec<f32>> {
        if !truncation.is_finite() {
            return Err(Error::invalid(format!("a sample's truncation of {truncation} is no number")));
        }
        if self.is_empty() {
            return Err(Error::invalid("there are no latents to learn a distribution from"));
        }
        let (n, mean) = (self.len() as f64, self.mean());
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut z = mean.clone();
        for i in 0..self.len() {
            let e = f64::from(truncation) * f64::from(normal(&mut rng, 1, 1.0)[0]);
            for ((z, &value), m) in z.iter_mut().zip(self.get(i)).zip(&mean) {
                *z += e * (f64::from(value) - m) / n.sqrt();
            }
        }
        Ok(z.into_iter().map(f32::from_f64).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> LatentTable {
        let names = ["100", "airplane", "alien"].map(String::from).to_vec();
        LatentTable::new(names, vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]).unwrap()
    }

    #[test]
    fn a_name_wins_over_an_index() {
        let names = ["7", "1", "0"].map(String::from).to_vec();
        let t = LatentTable::new(names, vec![0.0; 3]).unwrap();
        assert_eq!(t.find("0").unwrap(), 2);
        assert_eq!(t.find("#0").unwrap(), 0);
    }

    #[test]
    fn paths_start_and_end_at_their_latents() {
        let (a, b) = ([1.0, 2.0, -1.0], [0.5, -1.0, 3.0]);
        for path in [Path::Linear, Path::Spherical] {
            for (t, want) in [(0.0, a), (1.0, b)] {
                assert!(path.at(&a, &b, t).iter().zip(want).all(|(x, y)| (x - y).abs() < 1e-6), "{path:?} {t}");
            }
        }
        // Between two vectors of length 1 at a right angle, the sphere's path stays on the sphere.
        let half = Path::Spherical.at(&[1.0, 0.0], &[0.0, 1.0], 0.5);
        assert!((half[0] - 0.5_f32.sqrt()).abs() < 1e-6 && (half[0] - half[1]).abs() < 1e-6);
        assert_eq!(Path::Spherical.at(&[1.0, 0.0], &[2.0, 0.0], 0.5), [1.5, 0.0]);
    }

    #[test]
    fn samples_have_the_tables_mean_and_spread() {
        let values: Vec<f32> = (0..200_u8).flat_map(|i| [f32::from(i) / 100.0, 3.0]).collect();
        let t = LatentTable::new((0..200).map(|i| i.to_string()).collect(), values).unwrap();
        let samples: Vec<Vec<f32>> = (0..2000).map(|seed| t.sample(seed, 1.0).unwrap()).collect();
        let mean = samples.iter().map(|z| z[0]).sum::<f32>() / 2000.0;
        let variance = samples.iter().map(|z| (z[0] - mean).powi(2)).sum::<f32>() / 2000.0;
        // The table: mean 0.995, variance (200^2 - 1) / 12 / 100^2 = 0.333.
        assert!((mean - 0.995).abs() < 0.05 && (variance - 0.333).abs() < 0.04, "{mean} {variance}");
        assert!(samples.iter().all(|z| (z[1] - 3.0).abs() < 1e-5));
        assert_eq!(t.sample(7, 1.0).unwrap(), t.sample(7, 1.0).unwrap());
        let from_mean = |truncation| t.sample(7, truncation).unwrap()[0] - 0.995;
        assert!((from_mean(0.5) - 0.5 * from_mean(1.0)).abs() < 1e-6 && from_mean(0.0).abs() < 1e-6);
        assert!(t.sample(7, f32::NAN).is_err());
    }

    #[test]
    fn rows_and_suggestions() {
        let t = table();
        assert_eq!(t.get(t.find("airplane").unwrap()), [2.0, 3.0]);
        assert!(t.find("airplan").unwrap_err().to_string().contains("did you mean 'airplane'?"));
        assert!(t.find("12").unwrap_err().to_string().contains("0 to 2"));
    }
}
