//! Unions of balls: shapes whose truth is a formula.

use std::collections::HashMap;

use glam::{DVec3, Vec3};
use rand::{Rng, RngExt};
use serde::Deserialize;

use super::cloud::PointCloud;
use crate::{Error, Result};

/// A union of balls, as the van der Waals surface of a molecule is.
#[derive(Clone, Debug, PartialEq)]
pub struct Molecule {
    /// The balls' centres.
    pub centres: Vec<Vec3>,
    /// Their radii.
    pub radii: Vec<f32>,
}

/// Draws per point of the surface before it is given up: most of a molecule's surface is not hidden.
const TRIES: usize = 10_000;

impl Molecule {
    /// A union of balls.
    ///
    /// # Errors
    /// Where there are none, or one has no place or no size.
    pub fn new(centres: Vec<Vec3>, radii: Vec<f32>) -> Result<Self> {
        if centres.is_empty() || centres.len() != radii.len() {
            return Err(Error::invalid(format!(
                "{} centres and {} radii make no molecule",
                centres.len(),
                radii.len()
            )));
        }
        let bad = |(c, r): (&Vec3, &f32)| !(c.is_finite() && r.is_finite() && *r > 0.0);
        if let Some(i) = centres.iter().zip(&radii).position(bad) {
            return Err(Error::invalid(format!("atom {i} at {} of radius {} is no ball", centres[i], radii[i])));
        }
        Ok(Self { centres, radii })
    }

    fn balls(&self) -> impl Iterator<Item = (DVec3, f64)> {
        self.centres.iter().map(|c| c.as_dvec3()).zip(self.radii.iter().map(|&r| f64::from(r)))
    }

    /// `min_i |p - c_i| - r_i`: the signed distance of the union outside and on its surface. Inside it is negative and
    /// at most as large as the distance: near where balls meet, the surface is further away than it says.
    pub fn signed(&self, p: Vec3) -> f32 {
        let p = p.as_dvec3();
        #[expect(clippy::cast_possible_truncation, reason = "computed in f64, kept in f32")]
        {
            self.balls().map(|(c, r)| c.distance(p) - r).fold(f64::INFINITY, f64::min) as f32
        }
    }

    /// The lowest and the highest coordinates.
    pub fn bounds(&self) -> [Vec3; 2] {
        let balls = || self.centres.iter().zip(&self.radii);
        let low = balls().fold(Vec3::INFINITY, |low, (&c, &r)| low.min(c - r));
        [low, balls().fold(Vec3::NEG_INFINITY, |high, (&c, &r)| high.max(c + r))]
    }

    /// The molecule with centres put where `place` says, and radii divided by `scale`.
    #[must_use]
    pub fn mapped(&self, place: impl Fn(Vec3) -> Vec3, scale: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "radii are f32")]
        let radii = self.radii.iter().map(|&r| (f64::from(r) / scale) as f32).collect();
        Self { centres: self.centres.iter().map(|&c| place(c)).collect(), radii }
    }

    /// Points drawn uniformly from the union's surface.
    ///
    /// # Errors
    /// Where almost all of the balls' surfaces is hidden in other balls.
    pub(super) fn surface(&self, n: usize, rng: &mut impl Rng) -> Result<PointCloud> {
        let areas = super::sample::Areas::new(self.balls().map(|(_, r)| r * r));
        let mut cloud = PointCloud::default();
        let mut left = TRIES.saturating_mul(n);
        while cloud.points.len() < n {
            left =
                left.checked_sub(1).ok_or_else(|| Error::invalid("almost all of this molecule's surface is hidden"))?;
            let i = areas.draw(rng);
            // Archimedes: a sphere's area is spread evenly over its height.
            let (z, turn) = (2.0 * rng.random::<f64>() - 1.0, std::f64::consts::TAU * rng.random::<f64>());
            let across = (1.0 - z * z).max(0.0).sqrt();
            let normal = DVec3::new(across * turn.cos(), across * turn.sin(), z);
            let point = self.centres[i].as_dvec3() + f64::from(self.radii[i]) * normal;
            if self.balls().enumerate().all(|(j, (c, r))| j == i || c.distance(point) >= r) {
                cloud.points.push(point.as_vec3());
                cloud.normals.push(normal.as_vec3());
            }
        }
        Ok(cloud)
    }
}

/// A file of molecules: radii by atomic number, and for each molecule its atoms' numbers and places.
#[derive(Deserialize)]
struct Molecules {
    radii: HashMap<String, f32>,
    molecules: Vec<Atoms>,
}

#[derive(Deserialize)]
struct Atoms {
    name: String,
    z: Vec<u32>,
    xyz: Vec<[f32; 3]>,
}

/// Reads named molecules from JSON: `{"radii": {"6": 1.7, ..}, "molecules": [{"name": .., "z": [6, ..], "xyz": [[x, y,
/// z], ..]}, ..]}`, `z` the atoms' numbers in the periodic table.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<(String, Molecule)>> {
    let file: Molecules = serde_json::from_slice(bytes)
        .map_err(|e| Error::invalid(format!("not a file of molecules that can be read ({e})")))?;
    let read = |atoms: Atoms| {
        let Atoms { name, z, xyz } = atoms;
        let radius = |z: &u32| {
            let known = file.radii.get(&z.to_string()).copied();
            known.ok_or_else(|| Error::invalid(format!("molecule '{name}': the file gives no radius for element {z}")))
        };
        let radii = z.iter().map(radius).collect::<Result<_>>()?;
        let molecule = Molecule::new(xyz.into_iter().map(Vec3::from_array).collect(), radii)
            .map_err(|e| Error::invalid(format!("molecule '{name}': {e}")))?;
        Ok((name, molecule))
    };
    file.molecules.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const WATER: &str = r#"{"radii": {"1": 1.1, "8": 1.52},
        "molecules": [{"name": "water", "z": [8, 1, 1], "xyz": [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]]}]}"#;

    #[test]
    fn distance_is_exact_outside_and_on_the_surface() {
        let (name, water) = parse(WATER.as_bytes()).unwrap().remove(0);
        assert_eq!(name, "water");
        assert!((water.signed(Vec3::new(0.0, -3.0, 0.0)) - 1.48).abs() < 1e-6);
        assert!((water.signed(Vec3::new(3.0, 0.0, 0.0)) - 0.94).abs() < 1e-6);
        assert!((water.signed(Vec3::ZERO) + 1.52).abs() < 1e-6);
        let surface = water.surface(2000, &mut ChaCha8Rng::seed_from_u64(1)).unwrap();
        let worst = surface.points.iter().map(|&p| water.signed(p).abs()).fold(0.0, f32::max);
        println!("distance of surface points {worst:.1e}");
        assert!(worst < 1e-6);
        // The normal leads away, outside as steeply as a distance does, but for where two balls are near.
        let steep = |(&p, &n): (&Vec3, &Vec3)| (water.signed(p + 0.01 * n) - 0.01).abs() < 1e-5;
        let part = surface.points.iter().zip(&surface.normals).filter(|pair| steep(*pair)).count() as f64 / 2000.0;
        println!("as steep as a distance at {part} of the surface");
        assert!(part > 0.98);
    }

    #[test]
    fn a_hidden_ball_has_no_surface() {
        let nested = Molecule::new(vec![Vec3::ZERO, Vec3::ZERO], vec![1.0, 0.5]).unwrap();
        let surface = nested.surface(500, &mut ChaCha8Rng::seed_from_u64(2)).unwrap();
        assert!(surface.points.iter().all(|p| (p.length() - 1.0).abs() < 1e-6));
        // Twins hide nothing of each other.
        let twins = Molecule::new(vec![Vec3::ZERO; 2], vec![1.0; 2]).unwrap();
        assert!(twins.surface(1000, &mut ChaCha8Rng::seed_from_u64(3)).is_ok());
    }

    #[test]
    fn nonsense_is_refused() {
        for (text, part) in [
            ("{", "not a file of molecules"),
            (r#"{"radii": {}, "molecules": [{"name": "a", "z": [1], "xyz": [[0, 0, 0]]}]}"#, "no radius for element 1"),
            (r#"{"radii": {"1": 1}, "molecules": [{"name": "a", "z": [1], "xyz": []}]}"#, "0 centres and 1 radii"),
            (r#"{"radii": {"1": -1}, "molecules": [{"name": "a", "z": [1], "xyz": [[0, 0, 0]]}]}"#, "is no ball"),
        ] {
            let said = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(said.contains(part), "{said}");
        }
    }
}
