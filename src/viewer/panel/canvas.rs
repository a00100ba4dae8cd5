//! The canvas: pan, zoom, the camera before a solid, and the divider between picture and signal. The picture itself is
//! drawn below.

use egui::{CursorIcon, PointerButton, Response, Sense, Ui};
use glam::DVec2;

use super::{Facts, Panel, physical};
use crate::viewer::keys;
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
/// Degrees by which a solid turns, and a head, while the pointer moves by a logical pixel.
const TURN: f64 = 0.4;
const HEAD: f64 = 0.15;
/// How fast one flies: distances from what is looked at, a second; with Shift, so many times as fast.
const SPEED: f64 = 0.35;
const HURRY: f64 = 4.0;
/// A frame that took longer moves no further.
const LONGEST: f32 = 0.1;

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
                _ => drag(ui, &response, scene, size),
            }
        }
        if scene.is_solid() && scene.sight.flying {
            fly(ui, scene);
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
                let factor = f64::from(NOTCH).powf(f64::from(notches));
                if scene.is_solid() {
                    scene.sight.zoom(at(p) - 0.5 * size, size.y, factor);
                } else {
                    scene.view.zoom(size, at(p), factor);
                }
            }
        }
        let painter = ui.painter_at(rect);
        let visuals = ui.visuals();
        if split {
            let stroke = egui::Stroke::new(1.5, visuals.strong_text_color());
            painter.vline(line, rect.y_range(), stroke);
            painter.circle_filled(egui::pos2(line, rect.center().y), 4.0, visuals.strong_text_color());
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a canvas is whole pixels")]
        let whole = [size.x as u32, size.y as u32];
        // Of another solid's mesh, nothing is drawn.
        let wires = facts.wires.as_ref().filter(|w| scene.is_solid() && scene.sight.wired && w.of == scene.wires());
        wires.into_iter().for_each(|wires| wires.draw(&painter, rect, &scene.sight, whole));
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
        if scene.is_solid() {
            if scene.sight.flying {
                captions.push(format!("flying ({} ends it)", keys::of(keys::Act::Fly)));
            }
        } else if scene.view.at_limit() {
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

/// The pointer holds a picture, a solid or the head of who looks at one.
fn drag(ui: &Ui, response: &Response, scene: &mut Scene, size: DVec2) {
    let d = response.drag_delta();
    let d = DVec2::new(f64::from(d.x), f64::from(d.y));
    let moves = response.dragged_by(PointerButton::Middle)
        || response.dragged_by(PointerButton::Secondary)
        || ui.input(|i| i.modifiers.shift);
    let pixels = f64::from(ui.pixels_per_point()) * d;
    match (scene.is_solid(), moves) {
        (false, _) => scene.view.pan(pixels),
        (true, true) => scene.sight.pan(pixels, size.y),
        (true, false) => {
            let pace = if scene.sight.flying { HEAD } else { TURN };
            scene.sight.turn(pace * DVec2::new(-d.x, d.y));
        }
    }
}

/// The keys that are held down move who flies.
fn fly(ui: &Ui, scene: &mut Scene) {
    let way = keys::flight(ui.ctx());
    if way.length_squared() > 0.0 {
        let (seconds, hurries) = ui.input(|i| (i.unstable_dt.min(LONGEST), i.modifiers.shift));
        let pace = SPEED * scene.sight.distance() * if hurries { HURRY } else { 1.0 };
        scene.sight.fly(pace * f64::from(seconds) * way.normalize());
        ui.ctx().request_repaint();
    }
}
