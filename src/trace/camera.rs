//! Where a solid is seen from: cameras, and the rays through a picture's pixels.
//!
//! Space is right-handed with y up. Seen from the front (azimuth 0, from +z along -z) x is to the right of the picture,
//! y up, and z towards the viewer.

use std::str::FromStr;

use glam::{DVec2, DVec3, Vec3};
use serde::{Deserialize, Serialize};

use crate::surface::{Cube, Ray};
use crate::{Error, Result};

/// The least width of a pixel, in sides of the cube: some roundings of a point's coordinates.
const FINEST: f32 = 4e-6;

/// How a camera maps space to the picture. Pixels are square.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Projection {
    /// All rays start in the eye.
    Perspective {
        /// The angle between the picture's upper and lower edge, in degrees, between 0 and 180.
        fov: f64,
    },
    /// All rays are parallel.
    Orthographic {
        /// The picture's height in units of space.
        height: f64,
    },
}

/// An eye and where it looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Camera {
    /// The middle of perspective; of an orthographic picture, the middle of the plane in which its rays start.
    pub eye: DVec3,
    /// The point in the middle of the picture.
    pub target: DVec3,
    /// What is upwards in the picture; not along the line of sight.
    pub up: DVec3,
    /// Perspective or not.
    pub projection: Projection,
}

/// A camera on its way around a point: `azimuth,elevation[,distance[,fov[,x,y,z]]]` as text. Any camera that is not rolled
/// is one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Orbit {
    /// Degrees around y, from +z (0, the front) to +x (90).
    pub azimuth: f64,
    /// Degrees above the horizon; 90 looks straight down.
    pub elevation: f64,
    /// From the target, in units of space. None: so far that a ball of 0.65 of the cube's side about it is as high as the
    /// picture.
    pub distance: Option<f64>,
    /// The vertical field of view in degrees; 0 stands for an orthographic picture that is as high as what
    /// [`Self::FOV`] sees at the target.
    pub fov: f64,
    /// The point in the middle of the picture. None: the cube's middle.
    pub target: Option<DVec3>,
}

impl Default for Orbit {
    /// From the front, somewhat to the right and above.
    fn default() -> Self {
        Self { azimuth: 30.0, elevation: 20.0, distance: None, fov: Self::FOV, target: None }
    }
}

impl Orbit {
    /// Degrees that a camera sees from the lower edge to the upper, unless told otherwise.
    pub const FOV: f64 = 30.0;
    /// Radius of the ball that a camera sees whole, unless told otherwise, in sides of the cube.
    const SEEN: f64 = 0.65;

    /// Half the angle between the upper and the lower edge, in radians; of an orthographic picture, of one that is as high
    /// at the target.
    pub fn half(&self) -> f64 {
        if self.fov > 0.0 { self.fov } else { Self::FOV }.to_radians() / 2.0
    }

    /// How far the camera is from its target.
    pub fn distance(&self, cube: &Cube) -> f64 {
        self.distance.unwrap_or(Self::SEEN * f64::from(cube.side) / self.half().sin())
    }

    /// What it looks at.
    pub fn target(&self, cube: &Cube) -> DVec3 {
        self.target.unwrap_or(cube.low.as_dvec3() + DVec3::splat(f64::from(cube.side) / 2.0))
    }

    /// The picture's right, its up, and the way towards the camera.
    pub fn axes(&self) -> [DVec3; 3] {
        let ((sa, ca), (se, ce)) = (self.azimuth.to_radians().sin_cos(), self.elevation.to_radians().sin_cos());
        // Upwards along the meridian, so that there is an upwards at the poles, too.
        [DVec3::new(ca, 0.0, -sa), DVec3::new(-sa * se, ce, -ca * se), DVec3::new(sa * ce, se, ca * ce)]
    }

    /// The camera that looks at its target, or at the middle of a cube.
    pub fn camera(&self, cube: &Cube) -> Camera {
        let (distance, target) = (self.distance(cube), self.target(cube));
        let [_, up, back] = self.axes();
        Camera {
            eye: target + distance * back,
            target,
            up,
            projection: if self.fov > 0.0 {
                Projection::Perspective { fov: self.fov }
            } else {
                Projection::Orthographic { height: 2.0 * distance * self.half().tan() }
            },
        }
    }

    /// What is read as this very camera about a cube.
    pub fn text(&self, cube: &Cube) -> String {
        let Self { azimuth, elevation, distance, fov, target } = self;
        let mut text = format!("{azimuth},{elevation}");
        if distance.is_some() || *fov != Self::FOV || target.is_some() {
            text += &format!(",{},{fov}", self.distance(cube));
        }
        target.map_or(text.clone(), |t| format!("{text},{},{},{}", t.x, t.y, t.z))
    }
}

impl FromStr for Orbit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |part: &str| part.trim().parse::<f64>().ok().filter(|v| v.is_finite());
        let numbers: Vec<f64> = text.split(',').map(number).collect::<Option<_>>().unwrap_or_default();
        let orbit = match numbers[..] {
            [azimuth, elevation] => Self { azimuth, elevation, ..Self::default() },
            [azimuth, elevation, distance] => Self { azimuth, elevation, distance: Some(distance), ..Self::default() },
            [azimuth, elevation, distance, fov] => {
                Self { azimuth, elevation, distance: Some(distance), fov, target: None }
            }
            [azimuth, elevation, distance, fov, x, y, z] => {
                Self { azimuth, elevation, distance: Some(distance), fov, target: Some(DVec3::new(x, y, z)) }
            }
            _ => {
                return Err(format!(
                    "'{text}' is no camera: give azimuth,elevation[,distance[,fov[,x,y,z]]] in degrees, e.g. 30,20"
                ));
            }
        };
        if orbit.distance.is_some_and(|d| d <= 0.0) {
            return Err(format!("'{text}' is no camera: its distance must be more than 0"));
        }
        if !(0.0..180.0).contains(&orbit.fov) {
            return Err(format!(
                "'{text}' is no camera: its field of view must be at least 0 and less than 180 degrees"
            ));
        }
        Ok(orbit)
    }
}

/// A camera in front of a picture of a known size.
#[derive(Clone, Copy, Debug)]
pub struct View {
    eye: DVec3,
    /// x: right, y: up, z: towards the viewer.
    axes: [DVec3; 3],
    /// The picture's half height: at distance 1 from the eye where there is perspective.
    half: f64,
    perspective: bool,
    size: DVec2,
}

impl Camera {
    /// The camera with a picture of `width x height` pixels before it.
    ///
    /// # Errors
    /// Where the camera looks nowhere, or sees nothing or too much.
    pub fn view(&self, width: u32, height: u32) -> Result<View> {
        let back = (self.eye - self.target).try_normalize();
        let right = back.and_then(|back| self.up.normalize_or_zero().cross(back).try_normalize());
        let (Some(back), Some(right)) = (back, right) else {
            return Err(Error::invalid(format!(
                "a camera cannot look from {} to {} with {} upwards: these must be three different directions",
                self.eye, self.target, self.up
            )));
        };
        let (half, perspective) = match self.projection {
            Projection::Perspective { fov } if fov > 0.0 && fov < 180.0 => ((fov.to_radians() / 2.0).tan(), true),
            Projection::Orthographic { height } if height > 0.0 && height.is_finite() => (height / 2.0, false),
            other => return Err(Error::invalid(format!("no camera sees a picture by {other:?}"))),
        };
        let size = DVec2::new(width.into(), height.into());
        Ok(View { eye: self.eye, axes: [right, back.cross(right), back], half, perspective, size })
    }
}

impl View {
    /// Where the line of sight through a place of the picture starts, and its direction, of length 1. The place is in
    /// pixels from the upper left corner, x right and y down: a pixel's centre is at a half.
    pub fn sight(&self, x: f64, y: f64) -> (DVec3, DVec3) {
        let place = self.half / self.size.y * DVec2::new(2.0 * x - self.size.x, self.size.y - 2.0 * y);
        let [right, up, back] = self.axes;
        let across = place.x * right + place.y * up;
        if self.perspective { (self.eye, (across - back).normalize()) } else { (self.eye + across, -back) }
    }

    /// The part of that line of sight within a cube, if there is any. `aa` is how many rays along a side share a pixel.
    #[expect(clippy::cast_possible_truncation, reason = "what is computed in f64 is traced in f32")]
    pub fn ray(&self, x: f64, y: f64, aa: u32, cube: &Cube) -> Option<Ray> {
        let (origin, direction) = self.sight(x, y);
        let [near, far] = clip(origin, direction, cube)?;
        let pixel = (2.0 * self.half / self.size.y / f64::from(aa)) as f32;
        Some(Ray {
            origin: (origin + near * direction).as_vec3(),
            direction: direction.as_vec3(),
            before: near as f32,
            length: (far - near) as f32,
            footprint: if self.perspective {
                [FINEST * cube.side, pixel]
            } else {
                [pixel.max(FINEST * cube.side), 0.0]
            },
        })
    }

    /// Where a point is seen: x and y in pixels as for [`Self::sight`], and its depth along the line of sight to the
    /// picture's middle. None where it is not in front of the camera.
    pub fn project(&self, point: DVec3) -> Option<[f64; 3]> {
        let [right, up, back] = self.axes;
        let from = point - self.eye;
        let depth = -from.dot(back);
        let unit = self.half * if self.perspective { depth } else { 1.0 };
        let place = DVec2::new(from.dot(right), -from.dot(up)) / unit * self.size.y;
        (depth > 0.0).then(|| [(self.size.x + place.x) / 2.0, (self.size.y + place.y) / 2.0, depth])
    }

    /// How much depth a line of sight gains with each unit of its length.
    #[expect(clippy::cast_possible_truncation, reason = "rays are f32")]
    pub(super) fn slant(&self, direction: Vec3) -> f32 {
        -direction.as_dvec3().dot(self.axes[2]) as f32
    }

    /// On which side of a place on an axis the viewer is: more than 0 towards the axis' far end, less on the other.
    pub(super) fn side(&self, axis: usize, place: f32) -> f64 {
        if self.perspective { self.eye[axis] - f64::from(place) } else { self.axes[2][axis] }
    }

    /// The picture's right, its up, and the way towards the viewer, of length 1 each.
    pub fn axes(&self) -> [Vec3; 3] {
        self.axes.map(DVec3::as_vec3)
    }
}

/// Between which distances from its origin, none below 0, a line is in a cube (the slab test of Kay & Kajiya 1986). A
/// line in one of the cube's faces is in the cube. None where it is nowhere.
pub fn clip(origin: DVec3, direction: DVec3, cube: &Cube) -> Option<[f64; 2]> {
    let low = cube.low.as_dvec3();
    let high = low + f64::from(cube.side);
    let (mut near, mut far) = (0.0_f64, f64::INFINITY);
    for axis in 0..3 {
        let (from, along) = (origin[axis], direction[axis]);
        if along == 0.0 {
            if from < low[axis] || from > high[axis] {
                return None;
            }
            continue;
        }
        let (a, b) = ((low[axis] - from) / along, (high[axis] - from) / along);
        (near, far) = (near.max(a.min(b)), far.min(a.max(b)));
    }
    (near < far && far.is_finite()).then_some([near, far])
}
