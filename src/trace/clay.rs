//! Clay: what light a matt material sends back, by the direction in which its surface faces the viewer.
//!
//! Light comes from the viewer's side and turns with the camera, so that a solid is well lit from everywhere: a sphere's
//! picture says all (a "matcap"). There, x is right, y up and z towards the viewer.

use glam::Vec3;

/// The strongest light, from the upper left; the only one that casts shadows. Not of length 1.
const KEY: Vec3 = Vec3::new(-0.45, 0.75, 0.65);
/// A weak light from the right, which brightens the key's shadows.
const FILL: Vec3 = Vec3::new(0.85, -0.05, 0.5);
/// Linear light.
const ALBEDO: Vec3 = Vec3::new(0.66, 0.40, 0.29);
const SKY: Vec3 = Vec3::new(0.26, 0.29, 0.34);
const GROUND: Vec3 = Vec3::new(0.15, 0.12, 0.10);

/// How well a point is lit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lit {
    /// How much of the key light arrives, 0 to 1.
    pub(super) key: f32,
    /// How much of the surroundings' light arrives, 0 to 1.
    pub(super) open: f32,
}

/// The way to the key light, given the picture's right, up and towards the viewer.
pub(super) fn key(axes: &[Vec3; 3]) -> Vec3 {
    (KEY.x * axes[0] + KEY.y * axes[1] + KEY.z * axes[2]).normalize()
}

/// Linear light from where the surface has that normal and the viewer is in that direction, both of length 1 and in the
/// picture's axes.
pub(super) fn clay(normal: Vec3, viewer: Vec3, lit: Lit) -> Vec3 {
    let key = KEY.normalize();
    let towards = |light: Vec3| normal.dot(light).max(0.0);
    let sky = GROUND.lerp(SKY, 0.5 + 0.5 * normal.y);
    let matt = 0.95 * lit.key * towards(key) * Vec3::new(1.0, 0.97, 0.91)
        + lit.open * (0.16 * towards(FILL.normalize()) * Vec3::new(0.85, 0.93, 1.0) + sky);
    // A sheen (Blinn's half vector), and a light from behind that shows the outline.
    let sheen = 0.05 * lit.key * normal.dot((key + viewer).normalize_or_zero()).max(0.0).powi(24);
    let edge = (1.0 - normal.dot(viewer).clamp(0.0, 1.0)).powi(3);
    ALBEDO * matt + Vec3::splat(sheen + 0.18 * lit.open * edge * (0.5 + 0.5 * normal.y))
}
