//! The table's principal plane, in which the latent at hand is dragged about, and sliders for what else it has.

use egui::{Color32, Pos2, Rect, Sense, Slider, Ui, Vec2};

use super::Facts;
use crate::model::Principal;
use crate::viewer::latent::{Code, Origin};
use crate::viewer::painter::Atlas;
use crate::viewer::scene::Scene;

/// Pixels within which a click means a latent of the table.
const CATCH: f32 = 9.0;
/// Standard deviations that the map shows to each side.
const REACH: f32 = 3.2;
/// Sliders of principal components.
const COMPONENTS: usize = 12;

pub(super) fn show(ui: &mut Ui, scene: &mut Scene, facts: &Facts) {
    if scene.principal.axes.is_empty() {
        ui.label("A map needs a table of at least two different latents.");
        return;
    }
    egui::ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
        map(ui, scene, facts);
        let principal = scene.principal.clone();
        ui.label("Principal components").on_hover_text(
            "The directions in which the table varies most, in its standard deviations; the first two are the map",
        );
        for axis in 0..principal.axes.len().min(COMPONENTS) {
            let deviation = principal.deviations[axis].max(f32::MIN_POSITIVE);
            let mut value = principal.place(&scene.codes.a.z, axis) / deviation;
            let text = format!("{} ({:.0} %)", axis + 1, principal.explained(axis) * 100.0);
            let slider = Slider::new(&mut value, -4.0..=4.0).fixed_decimals(2).clamping(egui::SliderClamping::Edits);
            if ui.add(slider.text(text)).changed() {
                scene.move_to(principal.moved(&scene.codes.a.z, axis, value * deviation));
            }
        }
        ui.collapsing("Every entry of the latent", |ui| {
            let reach = scene.model.latents.values().iter().fold(1e-3_f32, |m, v| m.max(v.abs())) * 1.2;
            let mut z = scene.codes.a.z.clone();
            let height = ui.spacing().interact_size.y;
            egui::ScrollArea::vertical().max_height(220.0).id_salt("entries").show_rows(
                ui,
                height,
                z.len(),
                |ui, rows| {
                    for i in rows {
                        let slider = Slider::new(&mut z[i], -reach..=reach).clamping(egui::SliderClamping::Edits);
                        if ui.add(slider.text(format!("z{i}"))).changed() {
                            scene.move_to(z.clone());
                        }
                    }
                },
            );
        });
    });
}

/// From standard deviations on the map to the screen and back.
struct Plane {
    rect: Rect,
    deviations: [f32; 2],
}

impl Plane {
    fn screen(&self, place: [f32; 2]) -> Pos2 {
        let at = |i: usize| place[i] / self.deviations[i] / REACH;
        self.rect.center() + 0.5 * Vec2::new(at(0) * self.rect.width(), -at(1) * self.rect.height())
    }

    fn place(&self, screen: Pos2) -> [f32; 2] {
        let d = (screen - self.rect.center()) * 2.0 / self.rect.size();
        [d.x * REACH * self.deviations[0], -d.y * REACH * self.deviations[1]]
    }
}

/// Where a latent is on the map; a table may vary in one direction only.
fn place(principal: &Principal, z: &[f32]) -> [f32; 2] {
    [0, 1].map(|axis| if axis < principal.axes.len() { principal.place(z, axis) } else { 0.0 })
}

fn map(ui: &mut Ui, scene: &mut Scene, facts: &Facts) {
    let side = ui.available_width() - 4.0;
    let (rect, response) = ui.allocate_exact_size(Vec2::splat(side), Sense::click_and_drag());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Canvas, true, "map of the latents"));
    let principal = scene.principal.clone();
    let deviation = |axis: usize| principal.deviations.get(axis).copied().unwrap_or(1.0).max(f32::MIN_POSITIVE);
    let plane = Plane { rect, deviations: [deviation(0), deviation(1)] };
    let painter = ui.painter_at(rect);
    let visuals = ui.visuals().clone();
    painter.rect_filled(rect, 4.0, visuals.extreme_bg_color);
    let table = &scene.model.latents;
    let mut nearest: Option<(f32, usize, Pos2)> = None;
    let pointer = response.hover_pos();
    for row in 0..table.len() {
        let at = plane.screen(place(&principal, table.get(row)));
        match facts.atlas {
            Some((texture, count)) if row < count && table.len() <= 400 => {
                let cell = Rect::from_center_size(at, Vec2::splat(11.0));
                painter.image(texture, cell, Atlas::uv(count, row), Color32::WHITE.gamma_multiply(0.75));
            }
            _ => {
                painter.circle_filled(at, 2.0, visuals.weak_text_color());
            }
        }
        if let Some(distance) = pointer.map(|p| p.distance(at)).filter(|&d| d < CATCH)
            && nearest.is_none_or(|(d, ..)| distance < d)
        {
            nearest = Some((distance, row, at));
        }
    }
    let path: Vec<Pos2> = scene.codes.keys.iter().map(|k| plane.screen(place(&principal, &k.z))).collect();
    painter.add(egui::Shape::line(path, egui::Stroke::new(1.0, visuals.warn_fg_color)));
    let marker = |code: &Code, text: &str, colour: Color32| {
        let at = plane.screen(place(&principal, &code.z));
        painter.circle_stroke(at, 7.0, egui::Stroke::new(2.5, colour));
        let font = egui::TextStyle::Small.resolve(ui.style());
        painter.text(at + Vec2::new(9.0, -9.0), egui::Align2::LEFT_CENTER, text, font, visuals.strong_text_color());
    };
    marker(&scene.codes.b, "B", visuals.warn_fg_color);
    marker(&scene.codes.a, "A", visuals.selection.bg_fill);
    if let Some((_, row, at)) = nearest {
        painter.circle_stroke(at, 8.0, egui::Stroke::new(1.0, visuals.strong_text_color()));
        response.clone().on_hover_text_at_pointer(&table.names()[row]);
    }
    if response.clicked()
        && let Some((_, row, _)) = nearest
    {
        scene.choose(row);
    } else if let Some(p) = response.interact_pointer_pos().filter(|_| response.dragged()) {
        let to = plane.place(p.clamp(rect.min, rect.max));
        let mut z = scene.codes.a.z.clone();
        for (axis, to) in to.into_iter().enumerate().take(principal.axes.len()) {
            z = principal.moved(&z, axis, to);
        }
        scene.move_to(z);
    }
    if scene.codes.a.origin == Origin::Free {
        ui.weak("A was moved by hand: undo goes back");
    } else {
        ui.weak("drag to move A; click on a latent to choose it");
    }
}
