//! Planes that show a field: warm outside, cold inside, with lines of equal value.

use std::fmt;
use std::str::FromStr;

use glam::Vec3;
use serde::{Deserialize, Serialize};

use crate::surface::Ray;

/// An axis of space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Axis {
    /// To the right, seen from the front.
    X,
    /// Up.
    Y,
    /// Towards the viewer, seen from the front.
    Z,
}

/// An opaque plane across an axis within the cube: what is behind it is hidden.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    /// The axis at right angles to it.
    pub axis: Axis,
    /// Where on the axis it is.
    pub offset: f32,
    /// Whether what of the solid is on the viewer's side of it is taken away, so that it shows the inside, too.
    pub cut: bool,
}

impl FromStr for Slice {
    type Err = String;

    /// `z,0.25`, or `z` for `z,0`: with the solid cut; `z,0.25,whole` leaves it whole.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(',').map(str::trim);
        let (axis, offset) = (parts.next().unwrap_or_default(), parts.next().unwrap_or("0"));
        let cut = match (parts.next(), parts.next()) {
            (None, _) => Some(true),
            (Some("whole"), None) => Some(false),
            _ => None,
        };
        let axis = match axis {
            "x" | "X" => Some(Axis::X),
            "y" | "Y" => Some(Axis::Y),
            "z" | "Z" => Some(Axis::Z),
            _ => None,
        };
        let offset = offset.parse().ok().filter(|o: &f32| o.is_finite());
        (axis.zip(offset).zip(cut))
            .map(|((axis, offset), cut)| Self { axis, offset, cut })
            .ok_or_else(|| format!("'{text}' is no plane: give an axis and where on it, e.g. z,0.25 or z,0.25,whole"))
    }
}

impl fmt::Display for Slice {
    /// As it is read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let axis = ["x", "y", "z"][self.axis as usize];
        write!(f, "{axis},{}{}", self.offset, if self.cut { "" } else { ",whole" })
    }
}

/// Values from one fine line to the next, in sides of the cube. Every other one is strong.
const SPACING: f32 = 0.025;

impl Slice {
    /// At what distance a ray meets the plane, if it does.
    pub(super) fn meets(self, ray: &Ray) -> Option<f32> {
        let axis = self.axis as usize;
        let distance = (self.offset - ray.origin[axis]) / ray.direction[axis];
        // No number where the ray is in the plane: a line of it, too thin to be seen.
        (0.0..=ray.length).contains(&distance).then_some(distance)
    }

    /// Whether the solid is taken away along a ray, seen from the given side of the plane: above 0 is its axis' far end.
    pub(super) fn removes(self, ray: &Ray, side: f64) -> bool {
        let middle = ray.at(0.5 * ray.length)[self.axis as usize];
        self.cut && f64::from(middle - self.offset) * side > 0.0
    }

    /// The plane's colour, display-referred, where the field has that height and slope and a pixel that width.
    pub(super) fn colour(self, height: f32, slope: Vec3, pixel: f32, side: f32) -> Vec3 {
        let mut along = slope;
        along[self.axis as usize] = 0.0;
        // By how much the height changes across a pixel.
        let change = (along.length() * pixel).max(f32::MIN_POSITIVE);
        let (near, far) = if height > 0.0 {
            (Vec3::new(0.98, 0.88, 0.72), Vec3::new(0.76, 0.40, 0.13))
        } else {
            (Vec3::new(0.76, 0.89, 0.98), Vec3::new(0.10, 0.33, 0.66))
        };
        let ground = far.lerp(near, (-6.0 * height.abs() / side).exp());
        // The share of the pixel that a line covers which is so far away in value and so many pixels wide.
        let line = |away: f32, width: f32| (0.5 * (width + 1.0) - away / change).clamp(0.0, 1.0);
        let every = |spacing: f32, width: f32| {
            let away = (height / spacing - (height / spacing).round()).abs() * spacing;
            // Lines too dense to be told apart fade away.
            line(away, width) * (0.25 * spacing / change - 0.5).clamp(0.0, 1.0)
        };
        let fine = every(SPACING * side, 1.0);
        let strong = every(2.0 * SPACING * side, 1.5);
        ground * (1.0 - 0.18 * fine) * (1.0 - 0.38 * strong) * (1.0 - 0.95 * line(height.abs(), 2.5))
    }
}
