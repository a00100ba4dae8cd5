//! The canvas: pan, zoom, and the divider between picture and signal. The picture itself is drawn below.

use egui::{CursorIcon, Sense, Ui};
use glam::DVec2;

use super::{Facts, Panel, physical};
use crate::viewer::scene::{Look, Scene};

/// What the pointer holds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Held {
    #[default]
    Picture,
    Divider,
}

/// Pixels to either side within which the divider is caught.
const CATCH: f32 = 6.0;
/// Factor of a notch of the wheel.
const NOTCH: f32 = 1.2;

impl Panel {
    pub(super) fn canvas(&mut self, ui: &mut Ui, scene: &mut Scene, facts: &Facts) -> egui::Rect {
        let rect = ui.available_rect_before_wrap();
        let response = ui.allocate_rect(rect, Sense::drag());
        let scale = ui.pixels_per_point();
        let size = physical(rect, scale);
        let at =
            |p: egui::Pos2| f64::from(scale) * DVec2::new(f64::from(p.x - rect.min.x), f64::from(p.y - rect.min.y));

        let split = scene.split && scene.truth.is_some();
        let line = rect.min.x + scene.divider * rect.width();
        let near = |p: egui::Pos2| split && (p.x - line).abs() < CATCH;
        if response.drag_started()
            && let Some(p) = ui.input(|i| i.pointer.press_origin())
        {
            self.canvas = if near(p) { Held::Divider } else { Held::Picture };
        }
        if response.dragged() {
            match (self.canvas, response.interact_pointer_pos()) {
                (Held::Divider, Some(p)) => scene.divider = ((p.x - rect.min.x) / rect.width()).clamp(0.0, 1.0),
                _ => {
                    let d = response.drag_delta();
                    scene.view.pan(f64::from(scale) * DVec2::new(f64::from(d.x), f64::from(d.y)));
                }
            }
        }
        if let Some(p) = response.hover_pos() {
            if near(p) {
                ui.ctx().set_cursor_icon(CursorIcon::ResizeHorizontal);
            }
            // The wheel itself, not egui's smoothed course of it: a notch is a notch.
            for event in ui.input(|i| i.events.clone()) {
                let notches = match event {
                    egui::Event::MouseWheel { unit: egui::MouseWheelUnit::Point, delta, .. } => delta.y / 50.0,
                    egui::Event::MouseWheel { delta, .. } => delta.y,
                    egui::Event::Zoom(factor) => factor.ln() / NOTCH.ln(),
                    _ => continue,
                };
                scene.view.zoom(size, at(p), f64::from(NOTCH).powf(f64::from(notches)));
            }
        }
        let painter = ui.painter_at(rect);
        let visuals = ui.visuals();
        if split {
            let stroke = egui::Stroke::new(1.5, visuals.strong_text_color());
            painter.vline(line, rect.y_range(), stroke);
            painter.circle_filled(egui::pos2(line, rect.center().y), 4.0, visuals.strong_text_color());
        }
        let mut captions = Vec::new();
        match scene.look {
            Look::Picture => {}
            Look::Error => captions.push(format!("signed error x {}", 2_f32.powf(scene.gain))),
            Look::Gradient => captions.push(format!("gradient x {}", 2_f32.powf(scene.gain))),
        }
        if let (Some(psnr), Some(truth)) = (facts.psnr, &scene.truth)
            && (scene.split || scene.look == Look::Error)
        {
            captions.push(format!("{psnr:.2} dB to {}", truth.name));
        }
        if scene.view.at_limit() {
            captions.push("the end of f32 coordinates".into());
        }
        if !captions.is_empty() {
            let font = egui::TextStyle::Small.resolve(ui.style());
            let galley = painter.layout_no_wrap(captions.join("   "), font, visuals.strong_text_color());
            let place = egui::pos2(rect.min.x + 6.0, rect.max.y - galley.size().y - 6.0);
            painter.rect_filled(
                egui::Rect::from_min_size(place, galley.size()).expand(3.0),
                3.0,
                visuals.panel_fill.gamma_multiply(0.85),
            );
            painter.galley(place, galley, visuals.strong_text_color());
        }
        rect
    }
}
