//! Pan and zoom: which part of the picture plane the canvas shows.

use glam::DVec2;

use serde::{Deserialize, Serialize};

use crate::model::Region;

/// Pixels per unit beyond which f32 coordinates no longer tell neighbouring pixels apart well: near the
/// picture's edge numbers are 6e-8 apart, a sixteenth of such a pixel.
pub(super) const MAX_SCALE: f64 = 1e6;
const MIN_SCALE: f64 = 1.0;

/// A view of the picture plane (x right, y down; the whole picture is [-1, 1] along its longer side).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct View {
    /// The point at the canvas's centre.
    pub centre: DVec2,
    /// Canvas pixels per unit.
    pub scale: f64,
}

impl View {
    /// The whole of `frame` with a small margin.
    pub(super) fn fit(canvas: DVec2, frame: &Region) -> Self {
        let size = DVec2::new(frame.x1 - frame.x0, frame.y1 - frame.y0);
        let centre = 0.5 * DVec2::new(frame.x0 + frame.x1, frame.y0 + frame.y1);
        Self { centre, scale: (0.94 * (canvas / size).min_element()).max(MIN_SCALE) }
    }

    /// One pixel of a picture, `width` of which fill the frame's width, on each pixel of the canvas.
    pub(super) fn one_to_one(canvas: DVec2, frame: &Region, width: u32) -> Self {
        let mut view = Self { scale: f64::from(width) / (frame.x1 - frame.x0), ..Self::fit(canvas, frame) };
        // Pixels of the picture lie on whole pixels of the canvas.
        let corner = ((DVec2::new(frame.x0, frame.y0) - view.centre) * view.scale + 0.5 * canvas).round();
        view.centre = DVec2::new(frame.x0, frame.y0) - (corner - 0.5 * canvas) / view.scale;
        view
    }

    /// Whether it shows the same, but for roundings: zooming in and out again leaves some.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let near = (self.centre - other.centre).length() * self.scale < 1e-3;
        near && (self.scale / other.scale - 1.0).abs() < 1e-5
    }

    /// The point of the plane under a canvas position in pixels.
    pub(super) fn at(&self, canvas: DVec2, position: DVec2) -> DVec2 {
        self.centre + (position - 0.5 * canvas) / self.scale
    }

    /// Moves the picture with the pointer by `delta` pixels.
    pub(super) fn pan(&mut self, delta: DVec2) {
        self.centre -= delta / self.scale;
    }

    /// Zooms by `factor`, keeping the point under `position` where it is.
    pub(super) fn zoom(&mut self, canvas: DVec2, position: DVec2, factor: f64) {
        let fixed = self.at(canvas, position);
        self.scale = (self.scale * factor).clamp(MIN_SCALE, MAX_SCALE);
        self.centre = fixed - (position - 0.5 * canvas) / self.scale;
    }

    /// Whether the zoom has reached the end of what f32 coordinates carry.
    pub(super) fn at_limit(&self) -> bool {
        self.scale >= MAX_SCALE
    }

    /// The whole canvas as a region.
    pub(super) fn region(&self, canvas: DVec2) -> Region {
        let (a, b) = (self.at(canvas, DVec2::ZERO), self.at(canvas, canvas));
        Region { x0: a.x, y0: a.y, x1: b.x, y1: b.y }
    }

    /// The pixels of the canvas on which `frame` lies: their region and how many they are; None where it is
    /// out of sight.
    pub(super) fn visible(&self, canvas: DVec2, frame: &Region) -> Option<(Region, [u32; 2])> {
        let place = |p: DVec2| (p - self.centre) * self.scale + 0.5 * canvas;
        let low = place(DVec2::new(frame.x0, frame.y0)).floor().clamp(DVec2::ZERO, canvas);
        let high = place(DVec2::new(frame.x1, frame.y1)).ceil().clamp(DVec2::ZERO, canvas);
        let size = high - low;
        if size.min_element() < 1.0 {
            return None;
        }
        let (a, b) = (self.at(canvas, low), self.at(canvas, high));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole numbers between 1 and the canvas's size"
        )]
        let pixels = [size.x as u32, size.y as u32];
        Some((Region { x0: a.x, y0: a.y, x1: b.x, y1: b.y }, pixels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANVAS: DVec2 = DVec2::new(640.0, 480.0);
    const FRAME: Region = Region { x0: -1.0, y0: -1.0, x1: 1.0, y1: 1.0 };

    #[test]
    fn zoom_keeps_the_point_under_the_cursor() {
        let mut view = View::fit(CANVAS, &FRAME);
        let cursor = DVec2::new(123.0, 321.0);
        let before = view.at(CANVAS, cursor);
        for _ in 0..20 {
            view.zoom(CANVAS, cursor, 1.3);
        }
        assert!((view.at(CANVAS, cursor) - before).length() < 1e-12);
        assert!(view.scale > 40_000.0);
    }

    #[test]
    fn one_to_one_puts_pixels_on_pixels() {
        let frame = Region { x0: -1.0, y0: -0.75, x1: 1.0, y1: 0.75 };
        let view = View::one_to_one(CANVAS, &frame, 203);
        let (region, size) = view.visible(CANVAS, &frame).unwrap();
        assert_eq!(size[0], 203);
        assert!((region.x0 + 1.0).abs() < 1e-12 && (region.y0 + 0.75).abs() < 1e-12, "{region:?}");
    }

    #[test]
    fn a_drag_moves_the_picture_with_the_pointer() {
        let mut view = View::fit(CANVAS, &FRAME);
        let point = view.at(CANVAS, DVec2::new(100.0, 100.0));
        view.pan(DVec2::new(30.0, -20.0));
        assert!((view.at(CANVAS, DVec2::new(130.0, 80.0)) - point).length() < 1e-12);
    }

    #[test]
    fn only_the_frame_is_evaluated_and_pixels_keep_their_places() {
        let view = View::fit(CANVAS, &FRAME);
        let (region, size) = view.visible(CANVAS, &FRAME).unwrap();
        assert!(size[0] <= 454 && size[0] == size[1] || size[0].abs_diff(size[1]) <= 1, "{size:?}");
        let pixel = (region.x1 - region.x0) / f64::from(size[0]);
        assert!((pixel * view.scale - 1.0).abs() < 1e-12);
        let mut far = view;
        far.pan(DVec2::new(10_000.0, 0.0));
        assert!(far.visible(CANVAS, &FRAME).is_none());
    }
}
