//! The directions in which a family's latents differ most.

use nalgebra::{DMatrix, SymmetricEigen};

use super::LatentTable;
use crate::math::Real;

/// An axis whose deviation is so many times smaller than the largest one is lost in the decomposition's own rounding:
/// the square of this is what f64 tells apart in a covariance.
const NEGLIGIBLE: f64 = 1e-5;
/// As is one that is so many times smaller than the table's largest number, which f32 does not tell apart.
const ROUNDING: f64 = 1e-7;

/// Principal components of a latent table: the directions that Härkönen et al. (2020) edit pictures along.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Principal {
    /// The latents' mean, `[latent_dim]`.
    pub mean: Vec<f32>,
    /// Directions of length 1, `[latent_dim]` each, at right angles to one another, the strongest first. The entry of
    /// largest magnitude is positive. At most one fewer than there are latents.
    pub axes: Vec<Vec<f32>>,
    /// The latents' standard deviation along each axis.
    pub deviations: Vec<f32>,
}

impl Principal {
    /// All axes along which the latents differ by more than rounding; none where fewer than two latents differ, or a
    /// number is not finite.
    pub fn of(table: &LatentTable) -> Self {
        let (n, dim, mean) = (table.len(), table.dim(), table.mean());
        let numbers = mean.iter().copied().map(f32::from_f64).collect();
        let none = Self { mean: numbers, ..Self::default() };
        if dim == 0 || !table.values().iter().all(|v| v.is_finite()) {
            return none;
        }
        // The latents' differences from their mean, one a column.
        let x = DMatrix::from_fn(dim, n, |d, i| f64::from(table.get(i)[d]) - mean[d]);
        // X X' and X' X have the same eigenvalues other than 0, and X takes the latter's eigenvectors to the former's.
        let few = n < dim;
        let gram = if few { x.tr_mul(&x) } else { &x * x.transpose() };
        let SymmetricEigen { eigenvalues, eigenvectors } = (gram / n as f64).symmetric_eigen();
        let deviations: Vec<f64> = eigenvalues.iter().map(|v| v.max(0.0).sqrt()).collect();
        let mut order: Vec<usize> = (0..deviations.len()).collect();
        order.sort_by(|&a, &b| deviations[b].total_cmp(&deviations[a]));
        let largest = table.values().iter().fold(0.0, |m: f64, v| m.max(f64::from(v.abs())));
        let floor = (NEGLIGIBLE * deviations[order[0]]).max(ROUNDING * largest);
        order.retain(|&k| deviations[k] > floor);
        let axis = |k: &usize| {
            let vector = eigenvectors.column(*k);
            let axis = if few { &x * vector } else { vector.into_owned() };
            let scale = axis[axis.icamax()].signum() / axis.norm();
            axis.iter().map(|v| f32::from_f64(v * scale)).collect()
        };
        Self {
            axes: order.iter().map(axis).collect(),
            deviations: order.iter().map(|&k| f32::from_f64(deviations[k])).collect(),
            ..none
        }
    }

    /// The coordinate of `z` along an axis, 0 at the mean, in the latents' own units.
    ///
    /// # Panics
    /// Where there is no such axis.
    pub fn place(&self, z: &[f32], axis: usize) -> f32 {
        f32::from_f64(self.along(z, axis))
    }

    /// `z` moved along an axis to the coordinate `to`; all that is at right angles to the axis stays.
    ///
    /// # Panics
    /// Where there is no such axis.
    #[must_use]
    pub fn moved(&self, z: &[f32], axis: usize, to: f32) -> Vec<f32> {
        let step = f64::from(to) - self.along(z, axis);
        z.iter().zip(&self.axes[axis]).map(|(&z, &a)| f32::from_f64(f64::from(z) + step * f64::from(a))).collect()
    }

    /// The share of the latents' variance that lies along an axis: 0 to 1.
    ///
    /// # Panics
    /// Where there is no such axis.
    pub fn explained(&self, axis: usize) -> f32 {
        let variance = |deviation: &f32| f64::from(*deviation).powi(2);
        let all: f64 = self.deviations.iter().map(variance).sum();
        f32::from_f64(variance(&self.deviations[axis]) / all)
    }

    fn along(&self, z: &[f32], axis: usize) -> f64 {
        let entries = z.iter().zip(&self.mean).zip(&self.axes[axis]);
        entries.map(|((&z, &m), &a)| (f64::from(z) - f64::from(m)) * f64::from(a)).sum()
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::model::normal;

    fn table(rows: usize, values: Vec<f32>) -> LatentTable {
        LatentTable::new((0..rows).map(|i| i.to_string()).collect(), values).unwrap()
    }

    fn dot(a: &[f32], b: &[f32]) -> f64 {
        a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
    }

    #[test]
    fn known_axes_and_variances_are_found() {
        // 5 along (3, 4) / 5 and 1 along (-4, 3) / 5, around (10, -2, 7), the third entry constant.
        let signs = [(1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0)];
        let point = |(a, b): (f32, f32)| [10.0 + 3.0 * a - 0.8 * b, -2.0 + 4.0 * a + 0.6 * b, 7.0];
        let p = Principal::of(&table(4, signs.into_iter().flat_map(point).collect()));
        assert_eq!((p.axes.len(), p.deviations.len()), (2, 2));
        let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(near(&p.mean, &[10.0, -2.0, 7.0]) && near(&p.deviations, &[5.0, 1.0]), "{p:?}");
        assert!(near(&p.axes[0], &[0.6, 0.8, 0.0]) && near(&p.axes[1], &[0.8, -0.6, 0.0]), "{p:?}");
        assert!((p.explained(0) - 25.0 / 26.0).abs() < 1e-6);
        assert!((p.place(&[13.0, 2.0, 9.0], 0) - 5.0).abs() < 1e-5, "the third entry is on no axis");
    }

    #[test]
    fn axes_are_orthonormal_and_the_strongest_comes_first() {
        for (n, dim) in [(50, 12), (7, 20), (12, 12), (2, 5)] {
            let mut rng = ChaCha8Rng::seed_from_u64(3);
            let t = table(n, normal(&mut rng, n * dim, 1.0));
            let p = Principal::of(&t);
            assert_eq!(p.axes.len(), dim.min(n - 1), "{n} latents of {dim}");
            for (i, a) in p.axes.iter().enumerate() {
                for (j, b) in p.axes.iter().enumerate() {
                    assert!((dot(a, b) - f64::from(u8::from(i == j))).abs() < 1e-5, "{n} latents of {dim}: {i}, {j}");
                }
                let places: Vec<f64> = (0..n).map(|r| f64::from(p.place(t.get(r), i))).collect();
                let deviation = (places.iter().map(|v| v * v).sum::<f64>() / n as f64).sqrt();
                assert!((deviation - f64::from(p.deviations[i])).abs() < 1e-5);
            }
            assert!(p.deviations.is_sorted_by(|a, b| a >= b));
            let all: f32 = (0..p.axes.len()).map(|i| p.explained(i)).sum();
            assert!((all - 1.0).abs() < 1e-5);
        }
    }

    #[test]
    fn moving_along_an_axis_changes_nothing_else() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let p = Principal::of(&table(30, normal(&mut rng, 30 * 8, 2.0)));
        let z = normal(&mut rng, 8, 3.0);
        let moved = p.moved(&z, 2, 1.5);
        for axis in 0..8 {
            let want = if axis == 2 { 1.5 } else { p.place(&z, axis) };
            assert!((p.place(&moved, axis) - want).abs() < 1e-5, "axis {axis}");
        }
        let back = p.moved(&moved, 2, p.place(&z, 2));
        assert!(back.iter().zip(&z).all(|(a, b)| (a - b).abs() < 1e-5));
    }

    #[test]
    fn tables_without_differences_have_no_axes() {
        assert_eq!(Principal::of(&LatentTable::default()), Principal::default());
        assert!(Principal::of(&table(2, Vec::new())).axes.is_empty());
        let constant = Principal::of(&table(9, [0.1, 0.7, -3.3].repeat(9)));
        assert_eq!((constant.axes.len(), constant.mean.len()), (0, 3));
        assert!(Principal::of(&table(1, vec![1.0, 2.0])).axes.is_empty());
        assert!(Principal::of(&table(2, vec![1.0, f32::NAN])).axes.is_empty());
    }
}
