//! How a pixel becomes a coordinate, and the implicit grid that a kernel walks.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Largest width or height of a rendered picture, in pixels.
pub(crate) const MAX_SIDE: u32 = 1 << 17;

/// Which axis comes first in the INR's input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// x (right), then y (down): native.
    #[default]
    Xy,
    /// y (row), then x (column): vsitzmann/siren and most PyTorch code.
    Yx,
}

/// Where on a pixel its coordinate is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Align {
    /// At the pixel's centre: n pixels at -1 + (2 i + 1) / n. Native.
    #[default]
    Centre,
    /// The outer pixels at the ends: `linspace(-1, 1, n)`.
    Corner,
}

/// What [-1, 1] spans on a picture that is not square.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Span {
    /// The longer side; pixels are square. Native.
    #[default]
    LongerSide,
    /// Each side by itself.
    EachAxis,
    /// The height; pixels are square, and x starts at -1 and ends where the width does (COIN).
    Height,
}

/// The interval that stands for [-1, 1] in the INR's inputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Interval {
    /// [-1, 1] itself. Native.
    #[default]
    Symmetric,
    /// [0, 1] (COIN++, functa).
    Unit,
}

/// A model's coordinate convention, recorded in its file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coordinates {
    /// Order of the INR's inputs.
    pub order: Order,
    /// Centre or corner.
    pub align: Align,
    /// Longer side, each axis or height.
    pub span: Span,
    /// [-1, 1] or [0, 1]. Files from before it was known mean the former.
    #[serde(default, skip_serializing_if = "Interval::is_native")]
    pub interval: Interval,
    /// Width and height in pixels of the pictures that were learned, where all have the same; the INR itself has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<[u32; 2]>,
}

/// A rectangle of the picture plane, x right and y down. The whole picture is [-1, 1] along what its
/// [`Span`] says, whatever the [`Interval`] of the INR's inputs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Region {
    /// Left edge.
    pub x0: f64,
    /// Upper edge.
    pub y0: f64,
    /// Right edge.
    pub x1: f64,
    /// Lower edge.
    pub y1: f64,
}

impl std::str::FromStr for Region {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<f64> = text
            .split(',')
            .map(|p| p.trim().parse::<f64>().ok().filter(|v| v.is_finite()))
            .collect::<Option<_>>()
            .unwrap_or_default();
        match parts[..] {
            [x0, y0, x1, y1] if x0 < x1 && y0 < y1 => Ok(Self { x0, y0, x1, y1 }),
            _ => Err(format!("'{text}' is not a region: give x0,y0,x1,y1 with x0 < x1 and y0 < y1")),
        }
    }
}

/// A grid of points that exists only as numbers: pixel (i, j) lies at `origin + (i, j) * step`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    /// Pixels per row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Coordinates (x, y) of the upper left pixel, in the model's convention.
    pub origin: [f64; 2],
    /// Distance (x, y) between neighbouring pixels.
    pub step: [f64; 2],
    /// The order in which x and y enter the INR.
    pub order: Order,
}

/// Where an INR is evaluated: the same points for every latent.
#[derive(Clone, Copy, Debug)]
pub enum Domain<'a> {
    /// The pixels of a picture, row by row; for INRs of two inputs.
    Grid(Grid),
    /// A list of points, `inputs` coordinates each.
    Points {
        /// `count * inputs` numbers.
        coordinates: &'a [f32],
        /// Coordinates per point.
        inputs: usize,
    },
}

impl Domain<'_> {
    /// Number of points.
    pub fn len(&self) -> usize {
        match self {
            Self::Grid(grid) => grid.points(),
            Self::Points { coordinates, inputs } => coordinates.len() / inputs,
        }
    }

    /// Whether there are no points.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Checks that an INR of `inputs` coordinates can be evaluated here.
    ///
    /// # Errors
    /// Where it cannot.
    pub fn check(&self, inputs: usize) -> Result<()> {
        let have = match self {
            Self::Grid(_) => 2,
            Self::Points { inputs, .. } => *inputs,
        };
        if have != inputs {
            return Err(Error::invalid(format!(
                "the INR takes {inputs} coordinates per point, the points have {have}"
            )));
        }
        match self {
            Self::Points { coordinates, .. } if !coordinates.len().is_multiple_of(inputs) => Err(Error::invalid(
                format!("{} numbers are not whole points of {inputs} coordinates", coordinates.len()),
            )),
            _ => Ok(()),
        }
    }
}

impl Interval {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
    fn is_native(&self) -> bool {
        *self == Self::Symmetric
    }
}

impl Coordinates {
    /// The whole of a `width x height` picture.
    pub fn frame(self, width: u32, height: u32) -> Region {
        let (w, h) = (f64::from(width), f64::from(height));
        match self.span {
            Span::LongerSide => {
                let (x, y) = (w / w.max(h), h / w.max(h));
                Region { x0: -x, y0: -y, x1: x, y1: y }
            }
            Span::EachAxis => Region { x0: -1.0, y0: -1.0, x1: 1.0, y1: 1.0 },
            Span::Height => Region { x0: -1.0, y0: -1.0, x1: 2.0 * w / h - 1.0, y1: 1.0 },
        }
    }

    /// Width and height of a picture of `region` (None: of the whole) with square pixels, so many along the longer side. Where
    /// nothing is known of the whole, it is a square.
    #[must_use]
    pub fn sized(self, longer: u32, region: Option<Region>) -> [u32; 2] {
        let [width, height] = self.size.map_or([1, 1], |size| size.map(|side| side.max(1)));
        let whole = self.frame(width, height);
        let part = region.unwrap_or(whole);
        let pixels = [
            f64::from(width) * (part.x1 - part.x0) / (whole.x1 - whole.x0),
            f64::from(height) * (part.y1 - part.y0) / (whole.y1 - whole.y0),
        ];
        let scale = f64::from(longer) / pixels[0].max(pixels[1]);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "up to `longer`")]
        pixels.map(|side| ((side * scale).round() as u32).max(longer.min(1)))
    }

    /// The grid of a `width x height` picture of `region` (None: of the whole).
    ///
    /// Under corner alignment the region is cut from a picture with the same pixel size: its n pixels
    /// then lie at `linspace(-1, 1, n)`.
    ///
    /// # Errors
    /// Where a side is 0 or beyond 2^17.
    pub fn grid(self, width: u32, height: u32, region: Option<Region>) -> Result<Grid> {
        if width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE {
            return Err(Error::invalid(format!(
                "a picture of {width}x{height} pixels cannot be made: each side must be 1 to {MAX_SIDE}"
            )));
        }
        let part = region.unwrap_or(self.frame(width, height));
        // The picture that a region is cut from has sides of its own: it is taken as a square.
        let own = region.is_none() && self.span == Span::LongerSide;
        let [half_x, half_y] = if own { [part.x1, part.y1] } else { [1.0; 2] };
        let axis = |n: u32, lo: f64, hi: f64, half: f64| {
            let step = (hi - lo) / f64::from(n);
            let first = lo + 0.5 * step;
            // The number of such pixels across the whole picture, and linspace's stretch for it.
            let across = 2.0 * half / step;
            let stretch = match self.align {
                Align::Corner if across > 1.0 => across / (across - 1.0),
                _ => 1.0,
            };
            let (first, step) = (first * stretch, step * stretch);
            match self.interval {
                Interval::Symmetric => (first, step),
                Interval::Unit => (0.5 * (first + 1.0), 0.5 * step),
            }
        };
        let (ox, sx) = axis(width, part.x0, part.x1, half_x);
        let (oy, sy) = axis(height, part.y0, part.y1, half_y);
        Ok(Grid { width, height, origin: [ox, oy], step: [sx, sy], order: self.order })
    }
}

impl Grid {
    /// Number of points.
    pub fn points(&self) -> usize {
        self.width as usize * self.height as usize
    }

    /// The same area with `n x n` points in place of each.
    #[must_use]
    pub fn supersampled(&self, n: u32) -> Self {
        let fine = f64::from(n);
        let origin = [0, 1].map(|i| self.origin[i] - 0.5 * self.step[i] * (1.0 - 1.0 / fine));
        let step = self.step.map(|s| s / fine);
        Self { width: self.width * n, height: self.height * n, origin, step, order: self.order }
    }

    /// The rows `first .. first + rows` as a grid of their own.
    #[must_use]
    pub fn rows(&self, first: u32, rows: u32) -> Self {
        let mut part = *self;
        part.height = rows;
        part.origin[1] += f64::from(first) * self.step[1];
        part
    }

    /// Which axis of the picture each of the INR's inputs is along: 0 for x, 1 for y.
    pub fn axes(&self) -> [usize; 2] {
        match self.order {
            Order::Xy => [0, 1],
            Order::Yx => [1, 0],
        }
    }

    /// The coordinates of pixel `(i, j)`, in the order in which they enter the INR.
    pub fn point(&self, i: u32, j: u32) -> [f64; 2] {
        let x = self.origin[0] + f64::from(i) * self.step[0];
        let y = self.origin[1] + f64::from(j) * self.step[1];
        match self.order {
            Order::Xy => [x, y],
            Order::Yx => [y, x],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_keep_their_proportions() {
        let square = Coordinates::default();
        assert_eq!((square.sized(256, None), square.sized(0, None)), ([256, 256], [0, 0]));
        assert_eq!(square.sized(256, Some("-1,-1,1,0".parse().unwrap())), [256, 128]);
        for span in [Span::LongerSide, Span::EachAxis, Span::Height] {
            let wide = Coordinates { span, size: Some([300, 128]), ..square };
            assert_eq!((wide.sized(600, None), wide.sized(1, None)), ([600, 256], [1, 1]));
            let Region { x0, y0, x1, y1 } = wide.frame(300, 128);
            let upper_half = Region { x0, y0, x1, y1: f64::midpoint(y0, y1) };
            assert_eq!(wide.sized(300, Some(upper_half)), [300, 64], "{span:?}");
        }
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12
    }

    #[test]
    fn native_pixels_are_centres_with_y_down() {
        let g = Coordinates::default().grid(4, 2, None).unwrap();
        assert_eq!(g.point(0, 0), [-0.75, -0.25]);
        assert_eq!(g.point(3, 1), [0.75, 0.25]);
    }

    #[test]
    fn corner_is_linspace_in_row_column_order() {
        let c = Coordinates { order: Order::Yx, align: Align::Corner, span: Span::EachAxis, ..Coordinates::default() };
        let g = c.grid(5, 3, None).unwrap();
        assert!(close(g.point(0, 0)[0], -1.0) && close(g.point(0, 0)[1], -1.0));
        assert!(close(g.point(1, 0)[1], -0.5) && close(g.point(4, 2)[0], 1.0));
    }

    #[test]
    fn old_files_mean_the_symmetric_interval() {
        let old = r#"{"order":"yx","align":"corner","span":"each-axis"}"#;
        let read: Coordinates = serde_json::from_str(old).unwrap();
        assert_eq!(read.interval, Interval::Symmetric);
        assert_eq!(serde_json::to_string(&read).unwrap(), old);
    }

    #[test]
    fn a_region_shows_the_same_points_as_the_whole() {
        let spans = [Span::LongerSide, Span::EachAxis, Span::Height];
        for (align, span) in [Align::Centre, Align::Corner].into_iter().flat_map(|a| spans.map(|s| (a, s))) {
            let c = Coordinates { align, span, interval: Interval::Unit, ..Coordinates::default() };
            let whole = c.grid(64, 64, None).unwrap();
            let part = c.grid(16, 8, Some(Region { x0: -0.5, y0: 0.25, x1: 0.0, y1: 0.5 })).unwrap();
            for (i, j) in [(0, 0), (15, 7), (3, 5)] {
                let (a, b) = (part.point(i, j), whole.point(16 + i, 40 + j));
                assert!(close(a[0], b[0]) && close(a[1], b[1]), "{align:?} {span:?} {a:?} {b:?}");
            }
        }
    }

    #[test]
    fn absurd_sizes_are_refused() {
        assert!(Coordinates::default().grid(0, 8, None).is_err());
        assert!(Coordinates::default().grid(1 << 31, 8, None).is_err());
    }
}
