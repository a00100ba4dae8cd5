//! The controls beside the picture, and what lies over it. They know nothing of the GPU or of threads: they read
//! [`Facts`], change the [`Scene`], and leave the rest as [`Asked`] for the window to do.

mod canvas;
mod export;
mod insight;
mod latents;
mod learning;
mod map;
mod mix;
mod solid;
#[cfg(test)]
mod tests;

use egui::{RichText, Ui};
use glam::DVec2;
use serde::{Deserialize, Serialize};

pub(super) use export::Exports;
pub(super) use learning::{Course, LearnFacts};

use super::errands::LayerWeights;
use super::keys::{self, Act};
use super::latent::History;
use super::scene::Scene;
use super::wires::Wires;
use crate::trace;
use crate::train::Config;

/// Degrees by which a key turns a solid.
const TURN: f64 = 10.0;
/// Width of the panel in logical pixels.
pub(super) const WIDTH: f32 = 250.0;

/// What the panel shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Tab {
    /// The table and its gallery.
    #[default]
    Latents,
    /// The table's principal plane, and every number of the latent.
    Map,
    /// Two latents, and morphs through many.
    Mix,
    /// What is behind the picture.
    Insight,
    /// A run or a search that is watched.
    Learn,
    /// Files and commands.
    Export,
}

const TABS: [(Tab, &str, &str); 6] = [
    (Tab::Latents, "Latents", "The model's latents: look, search, choose, sample"),
    (Tab::Map, "Map", "The latents' principal plane: drag to move through it"),
    (Tab::Mix, "Mix", "Mix two latents; morph through many"),
    (Tab::Insight, "Insight", "Errors and gradients, or light and camera; generated weights, timings"),
    (Tab::Learn, "Learn", "Fit a picture or a shape, or find the latent of one, while you watch"),
    (Tab::Export, "Export", "Pictures, morphs, latents, and the command that makes them"),
];

/// What is known of the picture and the machine.
#[derive(Default)]
pub(super) struct Facts {
    /// Where pictures are evaluated and, if elsewhere, shown.
    pub device: String,
    /// Something a person should know about that, in plain words.
    pub note: Option<String>,
    /// The picture at hand, in words.
    pub picture: Vec<String>,
    /// Thumbnails of the first so many latents.
    pub atlas: Option<(egui::TextureId, usize)>,
    /// dB, of the picture at hand against the truth.
    pub psnr: Option<f64>,
    pub weights: Vec<(LayerWeights, egui::TextureHandle)>,
    pub timings: Timings,
    pub learning: Option<LearnFacts>,
    pub exports: Vec<(String, f32)>,
    /// The mesh that was found last.
    pub wires: Option<Wires>,
}

/// Milliseconds of the last pictures and frames.
#[derive(Clone, Debug, Default)]
pub(super) struct Timings {
    pub generate: std::collections::VecDeque<f64>,
    pub evaluate: std::collections::VecDeque<f64>,
    pub present: std::collections::VecDeque<f64>,
    /// Of the last picture, in 10^9 floating-point operations a second.
    pub gflops: f64,
    /// `fused` or `materialized`.
    pub strategy: &'static str,
}

/// What a person asked for that is not part of the scene.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub acts: Vec<Act>,
    pub export: Option<Exports>,
    /// Fit again, from the start, with these settings.
    pub restart: Option<Box<Config>>,
    /// Go on with these learning rates.
    pub rates: Option<(f64, f64)>,
    pub dismiss_truth: bool,
}

/// What the controls remember between frames.
#[derive(Debug, Default)]
pub(super) struct Panel {
    pub tab: Tab,
    pub hidden: bool,
    pub help: bool,
    /// An error to show until it is dismissed.
    pub error: Option<String>,
    /// Something that was done, shown for a while.
    pub notice: Option<(String, f64)>,
    /// Scroll the gallery to the chosen latent.
    pub reveal: bool,
    pub history: History,
    /// A run or a search moves the latents: that is nothing to go back over.
    pub held: bool,
    latents: latents::Latents,
    export: export::Form,
    canvas: canvas::Held,
}

/// What a frame of the controls leaves.
pub(super) struct Frame {
    pub asked: Asked,
    /// The canvas: what the panel leaves of the window, in logical pixels.
    pub canvas: egui::Rect,
}

impl Panel {
    /// The controls as a window opens, with that tab in front.
    pub(super) fn at(tab: Tab) -> Self {
        Self { tab, reveal: true, ..Self::default() }
    }

    /// Draws everything that is not the picture.
    pub(super) fn show(&mut self, ui: &mut Ui, scene: &mut Scene, facts: &Facts) -> Frame {
        let mut asked = Asked { acts: keys::pressed(ui.ctx()), ..Asked::default() };
        if !self.hidden {
            egui::Panel::right("controls")
                .exact_size(WIDTH)
                .resizable(false)
                .show(ui, |ui| self.controls(ui, scene, facts, &mut asked));
        }
        let frame = egui::Frame::NONE;
        let canvas = egui::CentralPanel::default().frame(frame).show(ui, |ui| self.canvas(ui, scene, facts)).inner;
        self.over(ui, canvas);
        for act in std::mem::take(&mut asked.acts) {
            // What it changes, the controls and captions say in the next frame.
            ui.ctx().request_repaint();
            if !self.obey(act, scene, &mut asked) {
                asked.acts.push(act);
            }
        }
        let still = ui.input(|i| !i.pointer.any_down());
        if still && !self.held {
            self.history.commit(&scene.codes);
        }
        Frame { asked, canvas }
    }

    fn controls(&mut self, ui: &mut Ui, scene: &mut Scene, facts: &Facts, asked: &mut Asked) {
        ui.spacing_mut().slider_width = 100.0;
        ui.set_max_width(ui.available_width());
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = 3.0;
            for (tab, name, what) in TABS {
                ui.selectable_value(&mut self.tab, tab, name).on_hover_text(what);
            }
        });
        ui.horizontal(|ui| {
            let mut button = |ui: &mut Ui, enabled: bool, text: &str, act: Act, what: &str| {
                let button = ui.add_enabled(enabled, egui::Button::new(text).small());
                let button = button.on_disabled_hover_text(match act {
                    Act::OneToOne => "A solid has no pixels of its own",
                    _ => "There is nothing to go to",
                });
                if button.on_hover_text(format!("{what} ({})", keys::of(act))).clicked() {
                    asked.acts.push(act);
                }
            };
            button(ui, true, "Fit", Act::Fit, "The whole of it");
            let pixels = !scene.is_solid();
            button(ui, pixels, "1:1", Act::OneToOne, "One pixel of the signal on one of the screen");
            button(ui, self.history.can_undo(), "Undo", Act::Undo, "Take the last change of the latents back");
            button(ui, self.history.can_redo(), "Redo", Act::Redo, "Do it again");
            button(ui, true, "?", Act::Help, "Every key");
        });
        ui.separator();
        let status = egui::Panel::bottom("status").show_separator_line(true);
        status.show(ui, |ui| {
            for line in facts.note.iter().chain([&facts.device]).chain(&facts.picture) {
                ui.add(egui::Label::new(RichText::new(line).small()).wrap());
            }
        });
        match self.tab {
            Tab::Latents => self.latents.show(ui, scene, facts, asked, std::mem::take(&mut self.reveal)),
            Tab::Map => map::show(ui, scene, facts),
            Tab::Mix => mix::show(ui, scene, asked),
            Tab::Insight => insight::show(ui, scene, facts, asked),
            Tab::Learn => learning::show(ui, facts.learning.as_ref(), asked),
            Tab::Export => {
                let area = egui::ScrollArea::vertical().auto_shrink([false, false]);
                area.show(ui, |ui| self.export.show(ui, scene, facts, asked));
            }
        }
    }

    /// Does what only the controls and the scene are needed for; false: it is for the window.
    fn obey(&mut self, act: Act, scene: &mut Scene, asked: &mut Asked) -> bool {
        match act {
            Act::Turn(_) | Act::Fly | Act::Normals | Act::Slice | Act::Wires if !scene.is_solid() => {}
            Act::Split | Act::Error | Act::Gradient | Act::Beyond | Act::OneToOne if scene.is_solid() => {}
            Act::Help => self.help = !self.help,
            Act::Next | Act::Previous => {
                scene.step(if act == Act::Next { 1 } else { -1 });
                self.reveal = true;
            }
            Act::Sample => self.latents.sample(scene, &mut self.error),
            Act::Swap => std::mem::swap(&mut scene.codes.a, &mut scene.codes.b),
            Act::SetB => scene.codes.b = scene.codes.mixed(),
            Act::Undo => self.history.undo(&mut scene.codes),
            Act::Redo => self.history.redo(&mut scene.codes),
            Act::AddKey => mix::add_key(scene),
            Act::Play => mix::play(scene),
            Act::Turn(way) => scene.sight.turn(TURN * DVec2::new(-1.0, 1.0) * way.step()),
            Act::Fly => scene.sight.flying = !scene.sight.flying,
            Act::Normals => {
                let look = &mut scene.sight.look;
                *look = if *look == trace::Look::Clay { trace::Look::Normals } else { trace::Look::Clay };
            }
            Act::Slice => scene.sight.sliced = !scene.sight.sliced,
            Act::Wires => scene.sight.wired = !scene.sight.wired,
            Act::Split => scene.split = !scene.split && scene.truth.is_some(),
            Act::Error | Act::Gradient => scene.toggle_look(act == Act::Error),
            Act::Beyond => scene.extrapolate = !scene.extrapolate,
            Act::Panel => self.hidden = !self.hidden,
            Act::SavePicture => {
                asked.export = Some(self.export.picture());
            }
            _ => return false,
        }
        true
    }

    /// Errors, notices and the list of keys, over the canvas.
    fn over(&mut self, ui: &Ui, canvas: egui::Rect) {
        let context = ui.ctx();
        let corner = |id: &str| egui::Area::new(egui::Id::unique(id)).fixed_pos(canvas.min + egui::vec2(8.0, 8.0));
        if let Some(error) = self.error.clone() {
            corner("error").show(context, |ui| {
                egui::Frame::popup(ui.style()).show(ui, |ui| {
                    ui.set_max_width((canvas.width() - 40.0).clamp(80.0, 420.0));
                    ui.colored_label(ui.visuals().error_fg_color, error);
                    if ui.button("Dismiss").clicked() || ui.input(|i| i.key_pressed(egui::Key::Escape)) {
                        self.error = None;
                    }
                });
            });
        } else if let Some((text, until)) = self.notice.clone() {
            let now = ui.input(|i| i.time);
            if now < until {
                corner("notice").interactable(false).show(context, |ui| {
                    egui::Frame::popup(ui.style()).show(ui, |ui| {
                        ui.set_max_width((canvas.width() - 40.0).clamp(80.0, 420.0));
                        ui.label(text)
                    });
                });
                context.request_repaint_after(std::time::Duration::from_secs_f64(until - now));
            } else {
                self.notice = None;
            }
        }
        if self.help {
            egui::Window::new("Keys")
                .open(&mut self.help)
                .collapsible(false)
                .default_pos(canvas.min)
                .default_height(canvas.height() - 60.0)
                .show(context, |ui| {
                    egui::ScrollArea::vertical().show(ui, |ui| {
                        egui::Grid::new("keys").striped(true).show(ui, |ui| {
                            for &(modifiers, key, _, what) in keys::KEYS {
                                ui.monospace(keys::name(modifiers, key));
                                ui.label(what);
                                ui.end_row();
                            }
                            ui.monospace("drag, wheel");
                            ui.label("pan, zoom about the pointer; of a solid: turn, go nearer");
                            ui.end_row();
                            ui.monospace("Shift+drag");
                            ui.label("pan a solid (or drag by the middle or right button)");
                            ui.end_row();
                            ui.monospace("drop a file");
                            ui.label("a model opens; a picture or shape is fitted, or its latent found");
                            ui.end_row();
                        });
                    });
                });
            if ui.input(|i| i.key_pressed(egui::Key::Escape)) {
                self.help = false;
            }
        }
    }
}

/// A size of the canvas in physical pixels.
pub(super) fn physical(rect: egui::Rect, pixels_per_point: f32) -> DVec2 {
    let side = |low: f32, high: f32| f64::from((high * pixels_per_point).round() - (low * pixels_per_point).round());
    DVec2::new(side(rect.min.x, rect.max.x).max(1.0), side(rect.min.y, rect.max.y).max(1.0))
}
