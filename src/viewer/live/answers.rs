//! What comes back from the painter and the threads: pictures, thumbnails, signals, PSNRs, weights, files.

use std::sync::Arc;
use std::time::Instant;

use super::{FINE, Live, Source, THUMBNAILS, push};
use crate::model::Model;
use crate::viewer::errands::{Errand, Found};
use crate::viewer::latent::{Origin, Weights};
use crate::viewer::painter::{BYTES, Shown, texels, upload};
use crate::viewer::panel::Tab;
use crate::viewer::scene::Truth;
use crate::viewer::view::View;
use crate::{Error, Result};

impl Live {
    /// The signal of what is at hand becomes the truth, if there is one.
    pub(super) fn follow_truth(&mut self) -> Result<()> {
        let table = &self.scene.model.latents;
        let wanted = match &self.scene.codes.a.origin {
            _ if self.scene.model.latent_dim() == 0 => self.truths.keys().next().cloned(),
            Origin::Row(row) => table.names().get(*row).cloned(),
            Origin::Encoded(name) => Some(name.clone()),
            Origin::Sample { .. } | Origin::Free => None,
        };
        let wanted = wanted.filter(|name| self.truths.contains_key(name));
        if wanted != self.truth_asked {
            self.truth_asked.clone_from(&wanted);
            self.scene.truth = None;
            if let Some(name) = wanted {
                match self.truths.get(&name) {
                    Some(Source::Here(picture)) => {
                        self.scene.truth = Some(Truth { name, picture: Arc::clone(picture) });
                    }
                    Some(Source::File(file)) => {
                        self.clerk.ask(Errand::Truth {
                            name,
                            file: file.clone(),
                            model: Arc::clone(&self.scene.model),
                        });
                    }
                    None => {}
                }
            }
        }
        let Some(graphics) = &mut self.graphics else { return Ok(()) };
        match &self.scene.truth {
            None => graphics.truth = None,
            Some(truth) if graphics.truth.as_ref().is_some_and(|(p, _)| Arc::ptr_eq(p, &truth.picture)) => {}
            Some(truth) => {
                let picture = &truth.picture;
                let largest = graphics.ctx.device().limits().max_texture_dimension_2d;
                if picture.width.max(picture.height) > largest {
                    let name = truth.name.clone();
                    self.scene.truth = None;
                    return Err(Error::invalid(format!("{name}: the adapter shows at most {largest} pixels a side")));
                }
                let mut bytes = Vec::new();
                texels(&picture.values, picture.channels, picture.range, false, &mut bytes);
                let view = upload(&graphics.ctx, [picture.width, picture.height], BYTES, &bytes);
                graphics.truth = Some((Arc::clone(picture), view));
            }
        }
        Ok(())
    }

    pub(super) fn take_picture(&mut self, shown: Shown) {
        let view = if self.scene.is_solid() {
            self.scene.sight.words()
        } else {
            let zoom = self.scene.view.scale / View::fit(self.size, &self.scene.frame()).scale;
            format!("zoom {zoom:.2}x")
        };
        let [w, h] = shown.size;
        let detail = match (shown.detail.coarse, shown.detail.aa()) {
            (1, 1) => "full resolution".into(),
            (1, aa) => format!("{aa}x{aa} points a pixel"),
            (coarse, _) => format!("1/{coarse} resolution"),
        };
        let milliseconds = shown.took.as_secs_f64() * 1e3;
        self.facts.picture = vec![format!("{w}x{h}, {detail}, {milliseconds:.0} ms, {view}")];
        let timings = &mut self.facts.timings;
        if !shown.generate.is_zero() {
            push(&mut timings.generate, shown.generate.as_secs_f64() * 1e3);
        }
        push(&mut timings.evaluate, milliseconds);
        let operations = 2.0 * shown.evaluations as f64 * self.scene.model.inr.macs_per_point() as f64;
        timings.gflops = operations / shown.took.as_secs_f64().max(1e-9) * 1e-9;
        timings.strategy = if shown.fused { "fused" } else { "materialized" };
        self.trace.picture(&shown, self.asked_at.elapsed());
        if let Some(learning) = &mut self.learning {
            learning.fine |= shown.detail.coarse <= FINE;
        }
        if shown.detail.coarse == 1 {
            self.ask_clerk();
        }
        // Thumbnails are for when there is time; those of a run follow it now and then.
        let due = self.thumbnails_at.is_none_or(|at| self.learning.is_some() && at.elapsed() > THUMBNAILS);
        let Some(graphics) = &mut self.graphics else { return };
        let enough = shown.detail.coarse == 1 || self.learning.is_some();
        if enough && due && !self.scene.model.latents.is_empty() {
            self.thumbnails_at = Some(Instant::now());
            graphics.painter.ask_thumbnails();
        }
        graphics.shown = Some(shown);
        self.window.request_redraw();
    }

    /// What is to be worked out about the picture at hand.
    pub(super) fn ask_clerk(&mut self) {
        let (weights, model) = (self.scene.weights(), Arc::clone(&self.scene.model));
        if let Some(truth) = &self.scene.truth {
            let same = |(w, name, m): &(Weights, String, Arc<Model>)| {
                *w == weights && *name == truth.name && Arc::ptr_eq(m, &model)
            };
            if !self.psnr_asked.as_ref().is_some_and(same) {
                self.psnr_asked = Some((weights.clone(), truth.name.clone(), Arc::clone(&model)));
                self.clerk.ask(Errand::Psnr(Arc::clone(&model), weights.clone(), truth.clone()));
            }
        } else {
            (self.facts.psnr, self.psnr_asked) = (None, None);
        }
        let same = |(w, m): &(Weights, Arc<Model>)| *w == weights && Arc::ptr_eq(m, &model);
        if self.panel.tab == Tab::Insight && !self.weights_asked.as_ref().is_some_and(same) {
            self.weights_asked = Some((weights.clone(), Arc::clone(&model)));
            self.clerk.ask(Errand::Weights(model, weights));
        }
    }

    /// The mesh of the solid at hand, where it is to be drawn and nothing moves.
    pub(super) fn ask_wires(&mut self, still: bool) {
        if !(self.scene.is_solid() && self.scene.sight.wired && still && !self.scene.player.playing) {
            return;
        }
        let wanted = Some(self.scene.wires());
        if self.wires_asked != wanted {
            self.wires_asked.clone_from(&wanted);
            wanted.into_iter().for_each(|of| self.clerk.ask(Errand::Wires(of)));
        }
    }

    pub(super) fn take_answers(&mut self) -> Result<()> {
        while let Some(found) = self.clerk.take() {
            self.window.request_redraw();
            match found {
                Found::Psnr(weights, name, psnr) => {
                    let current = self.scene.truth.as_ref().is_some_and(|t| t.name == name);
                    self.facts.psnr = (current && weights == self.scene.weights()).then_some(psnr);
                }
                Found::Weights(weights, layers) if weights == self.scene.weights() => {
                    let Some(egui) = &self.egui else { continue };
                    let context = egui.egui_ctx();
                    let options = egui::TextureOptions::NEAREST;
                    let texture = |l: usize, image: &egui::ColorImage| {
                        context.load_texture(format!("weights {l}"), image.clone(), options)
                    };
                    let layers = layers.into_iter().enumerate();
                    self.facts.weights = layers.map(|(l, w)| (w.clone(), texture(l, &w.image))).collect();
                }
                Found::Weights(..) => {}
                Found::Principal(principal) => {
                    if principal.mean.len() == self.scene.model.latent_dim() {
                        self.scene.principal = Arc::new(principal);
                    }
                }
                Found::Wires(wires) => self.facts.wires = Some(wires),
                Found::Truth(truth) => {
                    if self.truth_asked.as_ref() == Some(&truth.name) {
                        self.scene.truth = Some(truth);
                        self.ask_clerk();
                    }
                }
                Found::Failed(error) => self.complain(&error),
            }
        }
        // The Insight tab may have been opened on a picture that was finished before.
        if self.panel.tab == Tab::Insight
            && self.weights_asked.is_none()
            && self.graphics.as_ref().is_some_and(|g| g.shown.is_some())
        {
            self.ask_clerk();
        }
        Ok(())
    }

    pub(super) fn take_exports(&mut self) {
        let mut kept = Vec::new();
        for export in std::mem::take(&mut self.exports) {
            let Some(outcome) = export.outcome() else {
                kept.push(export);
                continue;
            };
            self.window.request_redraw();
            match outcome {
                Ok(()) => {
                    let text = format!("{} is written.", export.path.display());
                    if let Some(egui) = &self.egui {
                        let context = egui.egui_ctx().clone();
                        self.notice(&context, &text);
                    }
                    let model = export.path.extension().is_some_and(|e| e == "safetensors");
                    if model && self.learning.is_none() {
                        self.named(export.path.display().to_string());
                    }
                }
                Err(e) => self.complain(&e),
            }
        }
        self.exports = kept;
        self.facts.exports = self.exports.iter().map(|e| (e.path.display().to_string(), e.progress())).collect();
    }
}
