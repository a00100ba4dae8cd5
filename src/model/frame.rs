//! Where a shape lies in space: between world coordinates and the box in which an INR knows it.

use glam::{DAffine3, DQuat, DVec3};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A placement without rotation: `world = centre + scale * x` for x in the box [-1, 1]^3. Distances scale alike.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// Where the box's centre lies in the world.
    pub centre: [f64; 3],
    /// World units per unit of the box.
    pub scale: f64,
}

impl Default for Frame {
    fn default() -> Self {
        Self { centre: [0.0; 3], scale: 1.0 }
    }
}

impl Frame {
    /// How far a shape reaches in the box unless said otherwise: from -0.9 to 0.9.
    pub const REACH: f64 = 0.9;

    /// The frame in which the longest side of the bounding box `low` to `high` spans [-reach, reach], and the others
    /// lie in the middle.
    ///
    /// # Errors
    /// Where the bounding box has no extent or is not finite, or `reach` is not in (0, 1].
    pub fn around(low: [f64; 3], high: [f64; 3], reach: f64) -> Result<Self> {
        if !(reach > 0.0 && reach <= 1.0) {
            return Err(Error::invalid(format!(
                "a shape cannot reach {reach} in the box [-1, 1]: give more than 0, at most 1"
            )));
        }
        let axes = [0, 1, 2];
        let longest = axes.map(|i| high[i] - low[i]).into_iter().fold(0.0, f64::max);
        let frame = Self { centre: axes.map(|i| 0.5 * (low[i] + high[i])), scale: 0.5 * longest / reach };
        frame
            .validate()
            .map_err(|_| Error::invalid(format!("the bounding box from {low:?} to {high:?} has no extent")))?;
        Ok(frame)
    }

    /// Checks a frame that was read.
    ///
    /// # Errors
    /// Where a number is not finite, or the scale not positive.
    pub fn validate(&self) -> Result<()> {
        if self.scale > 0.0 && self.scale.is_finite() && self.centre.iter().all(|c| c.is_finite()) {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "centre {:?} and scale {} are no frame: the scale must be positive",
            self.centre, self.scale
        )))
    }

    /// A point of the world in the box.
    pub fn to_box(&self, world: [f64; 3]) -> [f64; 3] {
        [0, 1, 2].map(|i| (world[i] - self.centre[i]) / self.scale)
    }

    /// A point of the box in the world.
    pub fn to_world(&self, inside: [f64; 3]) -> [f64; 3] {
        [0, 1, 2].map(|i| self.centre[i] + self.scale * inside[i])
    }

    /// The map from the box to the world.
    pub fn placement(&self) -> DAffine3 {
        let (scale, centre) = (DVec3::splat(self.scale), DVec3::from_array(self.centre));
        DAffine3::from_scale_rotation_translation(scale, DQuat::IDENTITY, centre)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_side_spans_the_reach() {
        let frame = Frame::around([1.0, 2.0, -7.0], [3.0, 3.0, -3.0], Frame::REACH).unwrap();
        assert_eq!(frame.centre, [2.0, 2.5, -5.0]);
        let low = frame.to_box([1.0, 2.0, -7.0]);
        assert!([0.45, 0.225, 0.9].iter().zip(low).all(|(want, got)| (want + got).abs() < 1e-15), "{low:?}");
        let back = frame.to_world(low);
        assert!([1.0, 2.0, -7.0].iter().zip(back).all(|(want, got)| (want - got).abs() < 1e-15), "{back:?}");
        let read: Frame = serde_json::from_str(&serde_json::to_string(&frame).unwrap()).unwrap();
        assert_eq!(read, frame);
    }

    #[test]
    fn what_is_no_box_is_refused() {
        let [zero, one] = [[0.0; 3], [1.0; 3]];
        for (low, high, reach) in [
            (zero, zero, 0.9),
            (one, zero, 0.9),
            (zero, [f64::INFINITY; 3], 0.9),
            (zero, [f64::NAN; 3], 0.9),
            (zero, one, 0.0),
            (zero, one, 1.1),
            (zero, one, f64::NAN),
        ] {
            assert!(Frame::around(low, high, reach).is_err(), "{low:?} {high:?} {reach}");
        }
        assert!(Frame { scale: -1.0, ..Frame::default() }.validate().is_err());
    }
}
