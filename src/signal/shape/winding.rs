//! Solid angles under which triangles are seen: of each by itself near by, of many together from afar.

use glam::{DMat3, DVec3, Vec3};

/// Triangles further away than so many of their radii are seen together (Barill et al. 2018).
const BETA: f64 = 2.0;

/// What triangles look like from afar: the moments of their area * normal around their centre, up to the second.
///
/// The solid angle is the integral of `n . (r + d) / |r + d|^3` over the surface, r from the eye to the centre and d from
/// there to the surface; it is expanded in d.
#[derive(Clone, Debug)]
pub(super) struct Far {
    /// The centroid, weighted by area.
    centre: DVec3,
    /// Squared distance from the centre beyond which the triangles are seen together.
    beyond2: f64,
    /// Integral of n.
    normal: DVec3,
    /// Integral of n d^T.
    first: DMat3,
    /// Integral of `n |d|^2 + 2 d (n . d)`.
    trace: DVec3,
    /// Integral of `(n . x) (d . x)^2`, as a polynomial in x: the numbers before its ten monomials.
    cubic: [f64; 10],
}

/// Which monomial `x_i x_j x_k` is: xxx, yyy, zzz, xxy, xxz, xyy, yyz, xzz, yzz, xyz.
const MONOMIAL: [[[usize; 3]; 3]; 3] =
    [[[0, 3, 4], [3, 5, 9], [4, 9, 7]], [[3, 5, 9], [5, 1, 6], [9, 6, 8]], [[4, 9, 7], [9, 6, 8], [7, 8, 2]]];

impl Far {
    pub(super) fn of(triangles: &[[Vec3; 3]]) -> Self {
        let parts = || {
            triangles.iter().map(|corners| {
                let [a, b, c] = corners.map(Vec3::as_dvec3);
                ([a, b, c], 0.5 * (b - a).cross(c - a), (a + b + c) / 3.0)
            })
        };
        let weighed = parts().fold((DVec3::ZERO, 0.0), |(sum, area), (_, normal, middle)| {
            (sum + middle * normal.length(), area + normal.length())
        });
        // Where there are only triangles without area, none is seen, and any centre will do.
        let any = || parts().next().map_or(DVec3::ZERO, |(.., middle)| middle);
        let centre = if weighed.1 > 0.0 { weighed.0 / weighed.1 } else { any() };
        let mut far = Self {
            centre,
            beyond2: 0.0,
            normal: DVec3::ZERO,
            first: DMat3::ZERO,
            trace: DVec3::ZERO,
            cubic: [0.0; 10],
        };
        for (corners, normal, middle) in parts() {
            let d = middle - centre;
            // The mean of d d^T over a triangle: that of its middle, and a twelfth of its corners' around it.
            let spread = corners.iter().fold(outer(d, d), |sum, &v| sum + outer(v - middle, v - middle) * (1.0 / 12.0));
            far.normal += normal;
            far.first += outer(normal, d);
            far.trace += normal * trace(&spread) + 2.0 * (spread * normal);
            for (i, n) in normal.to_array().into_iter().enumerate() {
                for (j, column) in spread.to_cols_array_2d().into_iter().enumerate() {
                    column.into_iter().enumerate().for_each(|(k, m)| far.cubic[MONOMIAL[i][j][k]] += n * m);
                }
            }
            let radius2 = corners.iter().map(|v| v.distance_squared(centre)).fold(0.0, f64::max);
            far.beyond2 = far.beyond2.max(BETA * BETA * radius2);
        }
        far
    }

    pub(super) fn is_far_from(&self, p: DVec3) -> bool {
        self.centre.distance_squared(p) > self.beyond2
    }

    /// `N . r / |r|^3`, then `tr M / |r|^3 - 3 r^T M r / |r|^5` of the first moment M, then half of
    /// `15 C(r) / |r|^7 - 3 T . r / |r|^5` of the second one's [`cubic`](Self::cubic) C and [`trace`](Self::trace) T.
    pub(super) fn solid_angle(&self, p: DVec3) -> f64 {
        let r = self.centre - p;
        let inverse2 = r.length_squared().recip();
        let inverse3 = inverse2 * inverse2.sqrt();
        let first = trace(&self.first) - 3.0 * inverse2 * r.dot(self.first * r);
        let second = inverse2 * (7.5 * inverse2 * self.cubic(r) - 1.5 * self.trace.dot(r));
        inverse3 * (self.normal.dot(r) + first + second)
    }

    fn cubic(&self, r: DVec3) -> f64 {
        let [xxx, yyy, zzz, xxy, xxz, xyy, yyz, xzz, yzz, xyz] = self.cubic;
        let DVec3 { x, y, z } = r;
        x * (x * (xxx * x + xxy * y + xxz * z) + y * (xyy * y + xyz * z) + xzz * z * z)
            + y * (y * (yyy * y + yyz * z) + yzz * z * z)
            + zzz * z * z * z
    }
}

/// `u v^T`.
fn outer(u: DVec3, v: DVec3) -> DMat3 {
    DMat3::from_cols(u * v.x, u * v.y, u * v.z)
}

fn trace(m: &DMat3) -> f64 {
    m.x_axis.x + m.y_axis.y + m.z_axis.z
}

/// A sum of triangles' solid angles. Half an angle is the argument of a complex number (van Oosterom and Strackee 1983):
/// the numbers are multiplied and full turns counted, so that one arc tangent does for all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turns {
    re: f64,
    im: f64,
    turns: f64,
}

impl Default for Turns {
    fn default() -> Self {
        Self { re: 1.0, im: 0.0, turns: 0.0 }
    }
}

impl Turns {
    /// A triangle that is seen from `p`.
    pub(super) fn add(&mut self, corners: [DVec3; 3], p: DVec3) {
        let [a, b, c] = corners.map(|v| v - p);
        let [la, lb, lc] = [a, b, c].map(DVec3::length);
        let im = a.dot(b.cross(c));
        let re = la * lb * lc + a.dot(b) * lc + b.dot(c) * la + c.dot(a) * lb;
        // Sixth powers of lengths, which f64 holds whatever f32 the lengths are.
        let size = (re * re + im * im).sqrt();
        // On a corner or an edge, where there is no angle.
        if !(size > 0.0 && size.is_finite()) {
            return;
        }
        let (re, im) = (re / size, im / size);
        let product = (self.re * re - self.im * im, self.re * im + self.im * re);
        // Two arguments of one sign whose sum has the other have passed pi.
        if self.im >= 0.0 && im >= 0.0 && product.1 < 0.0 {
            self.turns += 1.0;
        } else if self.im < 0.0 && im < 0.0 && product.1 >= 0.0 {
            self.turns -= 1.0;
        }
        (self.re, self.im) = product;
    }

    pub(super) fn solid_angle(&self) -> f64 {
        2.0 * (self.im.atan2(self.re) + std::f64::consts::TAU * self.turns)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::super::sample::in_box;
    use super::*;

    #[test]
    fn each_term_of_the_expansion_wins_a_digit() {
        let mut rng = ChaCha8Rng::seed_from_u64(21);
        let corners = in_box(60, &mut rng);
        let triangles = corners.as_chunks::<3>().0;
        let far = Far::of(triangles);
        let exact = |p: DVec3| {
            let mut turns = Turns::default();
            triangles.iter().for_each(|t| turns.add(t.map(Vec3::as_dvec3), p));
            turns.solid_angle()
        };
        // Ten times as far, an error of (d / r)^3 in N / r^2 is 10^5 times smaller.
        let mean = |away: f64| {
            let eyes = in_box(200, &mut ChaCha8Rng::seed_from_u64(22));
            let off = |p: &Vec3| {
                let p = far.centre + away * p.as_dvec3().normalize();
                (far.solid_angle(p) - exact(p)).abs()
            };
            eyes.iter().map(off).sum::<f64>() / 200.0
        };
        let (near, away) = (mean(20.0), mean(200.0));
        println!("wrong by {near:.2e} at 20, by {away:.2e} at 200");
        assert!(near > 1e-9 && near / away > 7e4, "{}", near / away);
    }

    #[test]
    fn turns_are_counted() {
        // A hundred times around, and back.
        let around = [[Vec3::X, Vec3::Y, Vec3::Z], [Vec3::Y, Vec3::X, Vec3::NEG_Z]]
            .into_iter()
            .chain([[Vec3::Y, Vec3::NEG_X, Vec3::Z], [Vec3::NEG_X, Vec3::Y, Vec3::NEG_Z]])
            .chain([[Vec3::NEG_X, Vec3::NEG_Y, Vec3::Z], [Vec3::NEG_Y, Vec3::NEG_X, Vec3::NEG_Z]])
            .chain([[Vec3::NEG_Y, Vec3::X, Vec3::Z], [Vec3::X, Vec3::NEG_Y, Vec3::NEG_Z]]);
        let octahedron: Vec<[DVec3; 3]> = around.map(|t| t.map(Vec3::as_dvec3)).collect();
        let (mut there, mut back) = (Turns::default(), Turns::default());
        for _ in 0..100 {
            octahedron.iter().for_each(|&t| there.add(t, DVec3::splat(0.1)));
            octahedron.iter().for_each(|&[a, b, c]| back.add([a, c, b], DVec3::splat(0.1)));
        }
        let turn = 4.0 * std::f64::consts::PI;
        println!("{} and {} times around", there.solid_angle() / turn, back.solid_angle() / turn);
        assert!((there.solid_angle() / turn - 100.0).abs() < 1e-9 && (back.solid_angle() / turn + 100.0).abs() < 1e-9);
    }
}
