//! The model's table as a gallery of live thumbnails: look, search, choose, sample.

use egui::{ScrollArea, Slider, TextEdit, Ui, Vec2};

use super::{Asked, Facts};
use crate::viewer::keys::{self, Act};
use crate::viewer::latent::{Code, Origin};
use crate::viewer::painter::Atlas;
use crate::viewer::scene::Scene;

/// Side of a thumbnail in logical pixels.
const SIDE: f32 = 40.0;
const GAP: f32 = 4.0;

#[derive(Debug)]
pub(super) struct Latents {
    /// Text by which the gallery is filtered.
    filter: String,
    seed: u64,
    truncation: f32,
}

impl Default for Latents {
    fn default() -> Self {
        Self { filter: String::new(), seed: 0, truncation: 1.0 }
    }
}

impl Latents {
    pub(super) fn show(&mut self, ui: &mut Ui, scene: &mut Scene, facts: &Facts, asked: &mut Asked, reveal: bool) {
        if scene.model.latent_dim() == 0 {
            ui.label("This model is a single INR: it has no latents. Its weights are on the Insight tab.");
            return;
        }
        ui.horizontal(|ui| {
            let sample = ui.button("Sample").on_hover_text(format!(
                "A random latent with the table's own mean and spread ({})",
                keys::of(Act::Sample)
            ));
            if sample.clicked() {
                asked.acts.push(Act::Sample);
            }
            let slider = Slider::new(&mut self.truncation, 0.0..=1.5).fixed_decimals(2);
            let text = "Truncation of samples: 1 samples as widely as the table does, 0 is its mean";
            if ui.add(slider).on_hover_text(text).changed()
                && let Origin::Sample { seed, .. } = scene.codes.a.origin
            {
                self.draw(scene, seed);
            }
        });
        ui.add(TextEdit::singleline(&mut self.filter).hint_text("search by name").desired_width(f32::INFINITY));
        let model = scene.model.clone();
        let names = model.latents.names();
        let wanted = self.filter.to_lowercase();
        let rows: Vec<usize> = (0..names.len()).filter(|&i| names[i].to_lowercase().contains(&wanted)).collect();
        if rows.is_empty() {
            ui.weak("no latent is called that");
            return;
        }
        self.gallery(ui, scene, facts, &rows, names, reveal);
    }

    fn gallery(&self, ui: &mut Ui, scene: &mut Scene, facts: &Facts, rows: &[usize], names: &[String], reveal: bool) {
        let chosen = |code: &Code| if let Origin::Row(row) = code.origin { Some(row) } else { None };
        let (a, b) = (chosen(&scene.codes.a), chosen(&scene.codes.b));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few thumbnails in a row")]
        let columns = (((ui.available_width() - 12.0) / (SIDE + GAP)) as usize).max(1);
        ui.spacing_mut().item_spacing = Vec2::splat(GAP);
        let mut area = ScrollArea::vertical().auto_shrink([false, false]);
        if reveal && let Some(place) = rows.iter().position(|&r| Some(r) == a) {
            area = area.vertical_scroll_offset(((place / columns) as f32 - 2.0).max(0.0) * (SIDE + GAP));
        }
        area.show_rows(ui, SIDE, rows.len().div_ceil(columns), |ui, lines| {
            for line in lines {
                ui.horizontal(|ui| {
                    for &row in rows.iter().skip(line * columns).take(columns) {
                        let selected = Some(row) == a;
                        let response = thumbnail(ui, facts.atlas, row, &names[row], selected, Some(row) == b);
                        let response = response.on_hover_text(format!("{}\nright click: B of the mix", names[row]));
                        if response.clicked() {
                            scene.choose(row);
                        } else if response.secondary_clicked() {
                            scene.codes.b = Code::row(&scene.model.latents, row);
                        }
                    }
                });
            }
        });
    }

    /// Draws the next random latent.
    pub(super) fn sample(&mut self, scene: &mut Scene, error: &mut Option<String>) {
        self.seed += 1;
        if scene.model.latents.is_empty() {
            *error = Some("there are no latents to learn a distribution from".into());
        } else {
            self.draw(scene, self.seed);
        }
    }

    fn draw(&self, scene: &mut Scene, seed: u64) {
        if let Ok(z) = scene.model.latents.sample(seed, self.truncation) {
            scene.move_to(z);
            scene.codes.a.origin = Origin::Sample { seed, truncation: self.truncation };
        }
    }
}

/// A latent to click on: its picture, or its name while there is none.
fn thumbnail(
    ui: &mut Ui,
    atlas: Option<(egui::TextureId, usize)>,
    row: usize,
    name: &str,
    a: bool,
    b: bool,
) -> egui::Response {
    let (rect, response) = ui.allocate_exact_size(Vec2::splat(SIDE), egui::Sense::click());
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, a, name));
    let visuals = ui.visuals();
    match atlas {
        Some((texture, count)) if row < count => {
            ui.painter().image(texture, rect, Atlas::uv(count, row), egui::Color32::WHITE);
        }
        _ => {
            ui.painter().rect_filled(rect, 3.0, visuals.extreme_bg_color);
            let short: String = name.chars().take(6).collect();
            let font = egui::TextStyle::Small.resolve(ui.style());
            ui.painter().text(rect.center(), egui::Align2::CENTER_CENTER, short, font, visuals.text_color());
        }
    }
    let colour = match (a, b, response.hovered()) {
        (true, ..) => visuals.selection.bg_fill,
        (_, true, _) => visuals.warn_fg_color,
        (.., true) => visuals.strong_text_color(),
        _ => return response,
    };
    let stroke = egui::Stroke::new(2.5, colour);
    ui.painter().rect_stroke(rect, 2.0, stroke, egui::StrokeKind::Outside);
    response
}
