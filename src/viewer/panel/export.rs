//! Files, and the command that makes the picture without a window.

use egui::{DragValue, TextEdit, Ui};

use super::{Asked, Facts};
use crate::viewer::keys::{self, Act};
use crate::viewer::scene::Scene;

/// Something to write, and where.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Exports {
    /// What the canvas shows, so many pixels wide.
    Picture {
        path: String,
        width: u32,
    },
    Morph {
        path: String,
        width: u32,
        frames: usize,
        fps: u32,
    },
    /// A solid's surface, by so many cells along an axis.
    Mesh {
        path: String,
        cells: u32,
    },
    Latent {
        path: String,
    },
    Model {
        path: String,
    },
}

/// What the fields hold.
#[derive(Debug)]
pub(super) struct Form {
    picture: String,
    width: u32,
    morph: String,
    morph_width: u32,
    frames: usize,
    fps: u32,
    mesh: String,
    cells: u32,
    latent: String,
    model: String,
}

impl Default for Form {
    fn default() -> Self {
        Self {
            picture: "picture.png".into(),
            width: 1024,
            morph: "morph.gif".into(),
            morph_width: 256,
            frames: 60,
            fps: 20,
            mesh: "mesh.ply".into(),
            cells: 128,
            latent: "latent.npy".into(),
            model: "model.safetensors".into(),
        }
    }
}

impl Form {
    pub(super) fn show(&mut self, ui: &mut Ui, scene: &Scene, facts: &Facts, asked: &mut Asked) {
        ui.label("What the canvas shows");
        path(ui, &mut self.picture, ".png, or .exr for linear floats");
        ui.horizontal(|ui| {
            ui.add(DragValue::new(&mut self.width).range(1..=131_072).suffix(" wide"));
            if ui.button("Save").on_hover_text("Evaluated anew at this size, in the background, on the CPU").clicked() {
                asked.export = Some(Exports::Picture { path: self.picture.clone(), width: self.width });
            }
        });
        if ui
            .button("Copy the command")
            .on_hover_text(format!("The `render` that makes this very picture ({})", keys::of(Act::Copy)))
            .clicked()
        {
            asked.acts.push(Act::Copy);
        }
        if scene.is_solid() {
            ui.separator();
            ui.label("The surface");
            path(ui, &mut self.mesh, ".ply, .obj, .stl or .glb");
            ui.horizontal(|ui| {
                ui.add(DragValue::new(&mut self.cells).range(2..=1024).suffix(" cells"))
                    .on_hover_text("Along each side of the box: --resolution of mesh");
                if ui.button("Save the mesh").on_hover_text("Found in the background, on the CPU").clicked() {
                    asked.export = Some(Exports::Mesh { path: self.mesh.clone(), cells: self.cells });
                }
            });
        }
        if scene.model.latent_dim() > 0 {
            ui.separator();
            ui.label("The morph");
            path(ui, &mut self.morph, ".gif, or a folder for numbered pictures");
            ui.horizontal(|ui| {
                ui.add(DragValue::new(&mut self.morph_width).range(1..=8192).suffix(" wide"));
                ui.add(DragValue::new(&mut self.frames).range(2..=10_000).suffix(" frames"));
                ui.add(DragValue::new(&mut self.fps).range(1..=50).suffix(" fps"));
            });
            let ready = scene.codes.keys.len() > 1;
            let save = ui.add_enabled(ready, egui::Button::new("Save the morph"));
            if save.on_disabled_hover_text("It needs two keyframes: see the Mix tab").clicked() {
                let &mut Self { morph_width: width, frames, fps, .. } = self;
                asked.export = Some(Exports::Morph { path: self.morph.clone(), width, frames, fps });
            }
            ui.separator();
            ui.label("The latent");
            path(ui, &mut self.latent, ".npy, as NumPy has it");
            if ui.button("Save the latent").clicked() {
                asked.export = Some(Exports::Latent { path: self.latent.clone() });
            }
        }
        ui.separator();
        ui.label("The model");
        path(ui, &mut self.model, ".safetensors");
        if ui.button("Save the model").on_hover_text("As it is now, while it learns").clicked() {
            asked.export = Some(Exports::Model { path: self.model.clone() });
        }
        for (what, share) in &facts.exports {
            ui.add(egui::ProgressBar::new(*share).text(what));
        }
    }

    /// What a key asks for: the picture, as the fields say.
    pub(super) fn picture(&self) -> Exports {
        Exports::Picture { path: self.picture.clone(), width: self.width }
    }
}

fn path(ui: &mut Ui, text: &mut String, hint: &str) {
    ui.add(TextEdit::singleline(text).hint_text(hint).desired_width(f32::INFINITY)).on_hover_text(hint);
}
