//! How a solid is looked at: from where, and what of it is shown.

use glam::{DVec2, DVec3};
use serde::{Deserialize, Serialize};

use crate::model::{Region, Side};
use crate::surface::Cube;
use crate::trace::{Axis, Look, Orbit, Scene, Slice};

/// From where and how a solid is seen. The camera is always one on its way around a point: whoever flies moves that point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Sight {
    pub orbit: Orbit,
    /// Whether the pointer turns the head, rather than the solid.
    pub flying: bool,
    pub look: Look,
    /// Without shadows and occlusion.
    pub plain: bool,
    /// The value on the surface.
    pub level: f32,
    /// Whether the plane is shown.
    pub sliced: bool,
    pub slice: Slice,
    /// Whether its mesh is drawn over it.
    pub wired: bool,
}

impl Default for Sight {
    fn default() -> Self {
        Self {
            orbit: Orbit::default(),
            flying: false,
            look: Look::default(),
            plain: false,
            level: 0.0,
            sliced: false,
            slice: Slice { axis: Axis::Z, offset: 0.0, cut: true },
            wired: false,
        }
    }
}

/// How far a camera may be from its target, in sides of the box.
const NEAREST: f64 = 0.01;
const FARTHEST: f64 = 50.0;

impl Sight {
    fn cube() -> Cube {
        Cube::default()
    }

    /// What is to be traced of a solid whose values say that.
    pub(super) fn scene(&self, values: Side) -> Scene {
        let scene = Scene::of(values);
        Scene {
            camera: self.orbit.camera(&scene.cube),
            level: self.level,
            look: self.look,
            shadow: !self.plain,
            occlusion: !self.plain,
            slice: self.sliced.then_some(self.slice),
            ..scene
        }
    }

    /// The flags with which `render` sees the same.
    pub(super) fn flags(&self) -> Vec<String> {
        let mut flags = vec![format!("--camera={}", self.orbit.text(&Self::cube()))];
        if self.look == Look::Normals {
            flags.push("--look=normals".into());
        }
        if self.sliced {
            flags.push(format!("--slice={}", self.slice));
        }
        if self.level != 0.0 {
            flags.push(format!("--level={}", self.level));
        }
        if self.plain {
            flags.push("--plain".into());
        }
        flags
    }

    /// Where the camera is, in words.
    pub(super) fn words(&self) -> String {
        let Orbit { azimuth, elevation, .. } = self.orbit;
        format!("from {azimuth:.0}, {elevation:.0} degrees, {:.2} away", self.distance())
    }

    pub(super) fn distance(&self) -> f64 {
        self.orbit.distance(&Self::cube())
    }

    /// Turns the camera by so many degrees to the right and upwards: around what it looks at or, flying, on its spot.
    pub(super) fn turn(&mut self, degrees: DVec2) {
        let eye = self.orbit.camera(&Self::cube()).eye;
        let round = |angle: f64| (angle * 1e3).round() / 1e3;
        self.orbit.azimuth = round((self.orbit.azimuth + degrees.x + 180.0).rem_euclid(360.0) - 180.0);
        self.orbit.elevation = round((self.orbit.elevation + degrees.y).clamp(-90.0, 90.0));
        if self.flying {
            let [_, _, back] = self.orbit.axes();
            self.look_at(eye - self.distance() * back);
        }
    }

    /// Moves the camera so that what it looks at follows the pointer by `delta` pixels, on a canvas of that height.
    pub(super) fn pan(&mut self, delta: DVec2, height: f64) {
        let by = delta * self.pixel(height);
        let [right, up, _] = self.orbit.axes();
        self.look_at(self.target() - by.x * right + by.y * up);
    }

    /// Goes nearer by `factor`, keeping what is `aside` of the canvas' middle, in pixels, where it is; flying, ahead.
    pub(super) fn zoom(&mut self, aside: DVec2, height: f64, factor: f64) {
        if self.flying {
            return self.fly(DVec3::Z * -self.distance() * (1.0 - 1.0 / factor));
        }
        let before = self.distance();
        let side = f64::from(Self::cube().side);
        let after = (before / factor).clamp(NEAREST * side, FARTHEST * side);
        self.pan(aside * (after / before - 1.0), height);
        self.orbit.distance = Some(rounded(after));
    }

    /// Moves the camera, and what it looks at, by so much to the right, upwards and backwards.
    pub(super) fn fly(&mut self, by: DVec3) {
        let [right, up, back] = self.orbit.axes();
        self.look_at(self.target() + by.x * right + by.y * up + by.z * back);
    }

    /// Another field of view; what it looks at stays as large as it is.
    pub(super) fn widen(&mut self, fov: f64) {
        let height = self.distance() * self.orbit.half().tan();
        self.orbit.fov = fov;
        self.orbit.distance = Some(rounded(height / self.orbit.half().tan()));
    }

    /// The whole of the solid, from where it is first seen.
    pub(super) fn fit(&mut self) {
        self.orbit = Orbit { fov: self.orbit.fov, ..Orbit::default() };
    }

    fn target(&self) -> DVec3 {
        self.orbit.target(&Self::cube())
    }

    fn look_at(&mut self, target: DVec3) {
        self.orbit.target = Some(target.map(rounded));
        // It no longer follows from the box alone.
        self.orbit.distance = Some(rounded(self.distance()));
    }

    /// Units of space across a pixel, where the camera looks.
    fn pixel(&self, height: f64) -> f64 {
        2.0 * self.distance() * self.orbit.half().tan() / height
    }
}

/// Without digits that nobody sees: cameras are to be read, too.
fn rounded(length: f64) -> f64 {
    (length * 1e6).round() / 1e6
}

/// What a camera shows on a picture of that size: a plane of height 2 before it, in whose middle it looks.
pub(super) fn lens(size: DVec2) -> Region {
    let half = size.x / size.y;
    Region { x0: -half, y0: -1.0, x1: half, y1: 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: DVec2 = DVec2::new(600.0, 400.0);

    /// Where on the canvas a point is seen.
    fn seen(sight: &Sight, point: DVec3) -> DVec2 {
        let [x, y, _] = sight.scene(Side::Distance).camera.view(600, 400).unwrap().project(point).unwrap();
        DVec2::new(x, y)
    }

    #[test]
    fn what_a_camera_looks_at_follows_the_pointer_and_stays_where_the_wheel_turns() {
        for fov in [Orbit::FOV, 0.0] {
            let mut sight = Sight::default();
            sight.widen(fov);
            sight.turn(DVec2::new(40.0, -15.0));
            let point = DVec3::ZERO;
            assert!((seen(&sight, point) - 0.5 * SIZE).length() < 1e-3);
            sight.pan(DVec2::new(30.0, -20.0), SIZE.y);
            let moved = seen(&sight, point) - 0.5 * SIZE;
            assert!((moved - DVec2::new(30.0, -20.0)).length() < 1e-2, "{moved}");
            sight.zoom(moved, SIZE.y, 1.7);
            let zoomed = seen(&sight, point) - 0.5 * SIZE;
            assert!((zoomed - moved).length() < 1e-2, "{zoomed}");
        }
    }

    #[test]
    fn who_flies_turns_the_head_and_who_orbits_the_solid() {
        let mut sight = Sight { flying: true, ..Sight::default() };
        let eye = |sight: &Sight| sight.scene(Side::Distance).camera.eye;
        let before = eye(&sight);
        sight.turn(DVec2::new(10.0, 5.0));
        assert!((eye(&sight) - before).length() < 1e-5);
        let away = sight.distance();
        sight.zoom(DVec2::ZERO, SIZE.y, 2.0);
        assert!(((eye(&sight) - before).length() - 0.5 * away).abs() < 1e-5);
        sight.flying = false;
        let target = sight.target();
        sight.turn(DVec2::new(-30.0, 0.0));
        assert_eq!(sight.target(), target);
        sight.fit();
        assert_eq!(sight.orbit, Orbit::default());
    }

    #[test]
    fn a_wider_view_keeps_what_is_looked_at_as_large() {
        let mut sight = Sight::default();
        let [a, b] = [DVec3::ZERO, sight.orbit.axes()[1] * 0.5];
        let before = seen(&sight, a) - seen(&sight, b);
        for fov in [60.0, 0.0, 10.0] {
            sight.widen(fov);
            assert!((seen(&sight, a) - seen(&sight, b) - before).length() < 1e-3);
        }
    }
}
