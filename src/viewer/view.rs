//! Pan and zoom: which part of the picture plane the canvas shows.

use glam::DVec2;

use crate::model::Region;

/// Pixels per unit beyond which f32 coordinates no longer tell neighbouring pixels apart well: near the
/// picture's edge numbers are 6e-8 apart, a sixteenth of such a pixel.
pub(super) const MAX_SCALE: f64 = 1e6;
const MIN_SCALE: f64 = 1.0;

/// A view of the picture plane (x right, y down; the whole picture is [-1, 1] along its longer side).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct View {
    /// The point at the canvas's centre.
    pub centre: DVec2,
    /// Canvas pixels per unit.
    pub scale: f64,
}

impl View {
    /// The whole square picture with a small margin.
    pub(super) fn fit(canvas: DVec2) -> Self {
        Self { centre: DVec2::ZERO, scale: (0.47 * canvas.min_element()).max(MIN_SCALE) }
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

    #[test]
    fn zoom_keeps_the_point_under_the_cursor() {
        let mut view = View::fit(CANVAS);
        let cursor = DVec2::new(123.0, 321.0);
        let before = view.at(CANVAS, cursor);
        for _ in 0..20 {
            view.zoom(CANVAS, cursor, 1.3);
        }
        assert!((view.at(CANVAS, cursor) - before).length() < 1e-12);
        assert!(view.scale > 40_000.0);
    }

    #[test]
    fn a_drag_moves_the_picture_with_the_pointer() {
        let mut view = View::fit(CANVAS);
        let point = view.at(CANVAS, DVec2::new(100.0, 100.0));
        view.pan(DVec2::new(30.0, -20.0));
        assert!((view.at(CANVAS, DVec2::new(130.0, 80.0)) - point).length() < 1e-12);
    }

    #[test]
    fn only_the_frame_is_evaluated_and_pixels_keep_their_places() {
        let frame = Region { x0: -1.0, y0: -1.0, x1: 1.0, y1: 1.0 };
        let view = View::fit(CANVAS);
        let (region, size) = view.visible(CANVAS, &frame).unwrap();
        assert!(size[0] <= 454 && size[0] == size[1] || size[0].abs_diff(size[1]) <= 1, "{size:?}");
        let pixel = (region.x1 - region.x0) / f64::from(size[0]);
        assert!((pixel * view.scale - 1.0).abs() < 1e-12);
        let mut far = view;
        far.pan(DVec2::new(10_000.0, 0.0));
        assert!(far.visible(CANVAS, &frame).is_none());
    }
}
