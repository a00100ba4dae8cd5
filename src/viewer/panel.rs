//! The controls beside the picture.

use egui::{ComboBox, ScrollArea, Slider, TextEdit, Ui};

use super::scene::Scene;
use crate::engine::Strategy;

/// What the panel remembers between frames, and what it tells about the picture.
#[derive(Debug, Default)]
pub(super) struct Panel {
    /// Text by which the list of latents is filtered.
    pub filter: String,
    /// Scroll the list to the chosen latent.
    pub reveal: bool,
    /// Lines about the picture at hand.
    pub status: Vec<String>,
    /// An error to show until it is dismissed.
    pub error: Option<String>,
}

/// What a person asked for that is not part of the scene.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    pub fit: bool,
}

impl Panel {
    /// Draws the panel's contents; changes the scene in place.
    pub(super) fn show(&mut self, ui: &mut Ui, scene: &mut Scene) -> Asked {
        let mut asked = Asked::default();
        ui.heading("Hypersine");
        if let Some(error) = self.error.clone() {
            ui.colored_label(ui.visuals().error_fg_color, error);
            if ui.button("Dismiss").clicked() {
                self.error = None;
            }
        }
        if scene.model.latent_dim() > 0 {
            self.latents(ui, scene);
        }
        ui.separator();
        ui.horizontal(|ui| {
            asked.fit = ui.button("Fit").on_hover_text("Show the whole picture (F)").clicked();
            ui.checkbox(&mut scene.extrapolate, "beyond the frame")
                .on_hover_text("Evaluate outside the coordinates it was trained on, too");
        });
        ComboBox::from_label("strategy")
            .selected_text(match scene.strategy {
                Strategy::Auto => "auto",
                Strategy::Fused => "fused",
                Strategy::Materialised => "materialized",
            })
            .show_ui(ui, |ui| {
                for (strategy, name) in
                    [(Strategy::Auto, "auto"), (Strategy::Fused, "fused"), (Strategy::Materialised, "materialized")]
                {
                    ui.selectable_value(&mut scene.strategy, strategy, name);
                }
            });
        ui.separator();
        for line in &self.status {
            ui.small(line);
        }
        ui.small("drag: pan   wheel: zoom   F: fit   up/down: next latent");
        asked
    }

    fn latents(&mut self, ui: &mut Ui, scene: &mut Scene) {
        let model = scene.model.clone();
        let names = model.latents.names();
        ui.add(Slider::new(&mut scene.mix, 0.0..=1.0).text("mix").fixed_decimals(2))
            .on_hover_text("How much of the second latent is in the picture");
        ComboBox::from_label("with").selected_text(names[scene.b].as_str()).show_ui(ui, |ui| {
            for (row, name) in names.iter().enumerate() {
                ui.selectable_value(&mut scene.b, row, name.as_str());
            }
        });
        ui.separator();
        ui.add(TextEdit::singleline(&mut self.filter).hint_text("search latents"));
        let wanted = self.filter.to_lowercase();
        let rows: Vec<usize> = (0..names.len()).filter(|&i| names[i].to_lowercase().contains(&wanted)).collect();
        let height = ui.text_style_height(&egui::TextStyle::Body) + ui.spacing().button_padding.y * 2.0;
        let mut list =
            ScrollArea::vertical().max_height((ui.available_height() - 190.0).max(60.0)).auto_shrink([false, false]);
        if std::mem::take(&mut self.reveal)
            && let Some(position) = rows.iter().position(|&r| r == scene.a)
        {
            let step = height + ui.spacing().item_spacing.y;
            list = list.vertical_scroll_offset((position as f32 - 3.0).max(0.0) * step);
        }
        list.show_rows(ui, height, rows.len(), |ui, range| {
            for &row in &rows[range] {
                ui.selectable_value(&mut scene.a, row, names[row].as_str());
            }
        });
    }
}
