//! One frame: the controls run, the painter is asked, and all of it is shown; what the controls wished for is done.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use glam::DVec2;

use super::graphics::PATIENCE;
use super::{FIRST, Kind, Learning, Live, NOTICE, start_of, waker};
use crate::Result;
use crate::viewer::errands::Export;
use crate::viewer::keys::Act;
use crate::viewer::latent::{Mixing, Origin};
use crate::viewer::panel::{Asked, Exports, physical};
use crate::viewer::present::{Canvas, Overlay};
use crate::viewer::scene::{Look, Scene};
use crate::viewer::view::View;

/// How far a key moves what is shown, in shorter sides of the canvas.
const STEP: f64 = 0.05;

impl Live {
    /// Draws one frame and asks the painter for what the scene has become.
    pub(in crate::viewer) fn draw(&mut self) -> Result<()> {
        if let Some(graphics) = &mut self.graphics
            && graphics.presenter.is_drawing()?
        {
            self.redraw = true;
            return Ok(());
        }
        let started = Instant::now();
        let elapsed = started.duration_since(self.last_frame).as_secs_f64();
        self.last_frame = started;
        if self.scene.player.playing {
            self.scene.player.advance(&self.scene.codes, elapsed.min(0.25));
        }
        self.follow_truth()?;
        let (Some(egui), Some(_)) = (&mut self.egui, &self.graphics) else { return Ok(()) };
        let input = egui.take_egui_input(&self.window);
        let context = egui.egui_ctx().clone();
        let (panel, scene, facts) = (&mut self.panel, &mut self.scene, &self.facts);
        let mut frame = None;
        let output = context.run_ui(input, |ui| frame = Some(panel.show(ui, scene, facts)));
        let Some(frame) = frame else { return Ok(()) };
        egui.handle_platform_output(&self.window, output.platform_output);
        let scale = output.pixels_per_point;
        let size = self.lay_out(frame.canvas, scale);
        self.obey(frame.asked, size, &context)?;
        self.ask_wires(context.input(|i| !i.pointer.any_down()));

        let delay = output.viewport_output.values().map(|v| v.repaint_delay).min().unwrap_or(Duration::MAX);
        self.repaint_at = Instant::now().checked_add(delay);
        let overlay = Overlay {
            textures: output.textures_delta,
            shapes: context.tessellate(output.shapes, scale),
            pixels_per_point: scale,
        };
        let request = self.scene.request(size);
        let canvas = self.seen(size, scale, context.global_style().visuals.dark_mode);
        let Some(graphics) = &mut self.graphics else { return Ok(()) };
        if graphics.painter.ask(request.as_ref())? {
            self.asked_at = Instant::now();
        }
        // A software driver takes half a second to be able to draw; the first thing it draws had better be a picture.
        let left = FIRST.saturating_sub(graphics.opened.elapsed());
        graphics.presenter.update(&overlay.textures);
        if graphics.shown.is_none() && request.is_some() && !left.is_zero() {
            graphics.presenter.release(&overlay.textures);
            self.repaint_at = Instant::now().checked_add(left.min(delay));
            return Ok(());
        }
        let truth = graphics.truth.as_ref().map(|(_, view)| view);
        let presenting = Instant::now();
        graphics.presenter.draw(graphics.shown.as_ref().filter(|_| request.is_some()), truth, &canvas, &overlay)?;
        graphics.presenter.release(&overlay.textures);
        let present = presenting.elapsed();
        self.trace.frame(started.elapsed(), present);
        let name = self.scene.name.as_deref().unwrap_or("learning");
        self.window.set_title(&format!("{} - {name} - Hypersine", self.scene.title()));
        Ok(())
    }

    /// Takes note of where the canvas is; a view that showed all of the picture goes on doing so.
    pub(super) fn lay_out(&mut self, canvas: egui::Rect, scale: f32) -> DVec2 {
        let size = physical(canvas, scale);
        let fit = View::fit(size, &self.scene.frame());
        if self.fitted.is_none_or(|fitted| fitted.is_like(&self.scene.view)) {
            self.scene.view = fit;
            self.fitted = Some(fit);
        }
        (self.canvas, self.size) = (canvas, size);
        size
    }

    pub(super) fn seen(&self, size: DVec2, scale: f32, dark: bool) -> Canvas {
        let Scene { view, look, gain, split, divider, truth, .. } = &self.scene;
        // Of gradients: per picture of two units, a sixty-fourth.
        #[expect(clippy::cast_possible_truncation, reason = "a factor on a slider")]
        let unit = if *look == Look::Gradient { (view.scale / 64.0) as f32 } else { 1.0 };
        #[expect(clippy::cast_possible_truncation, reason = "a window's size in pixels")]
        Canvas {
            origin: [(self.canvas.min.x * scale).round(), (self.canvas.min.y * scale).round()],
            size: [size.x as f32, size.y as f32],
            region: self.scene.region(size),
            frame: if self.scene.is_solid() { self.scene.region(size) } else { self.scene.frame() },
            look: *look,
            divider: (*split && truth.is_some()).then_some(*divider),
            gain: 2_f32.powf(*gain) * unit,
            shade: self.scene.extrapolate,
            background: if dark { [0.13; 3] } else { [0.9; 3] },
        }
    }

    /// Does what the controls cannot do themselves.
    pub(super) fn obey(&mut self, asked: Asked, size: DVec2, context: &egui::Context) -> Result<()> {
        let frame = self.scene.frame();
        for act in asked.acts {
            match act {
                Act::Fit if self.scene.is_solid() => self.scene.sight.fit(),
                Act::Fit => self.fitted = None,
                Act::OneToOne => {
                    // Of a signal that is not at hand, the size that `render` gives it.
                    let width = self.scene.truth.as_ref().map_or(256, |t| t.picture.width);
                    self.scene.view = View::one_to_one(size, &frame, width);
                }
                Act::ZoomIn | Act::ZoomOut => {
                    let factor = if act == Act::ZoomIn { 1.2 } else { 1.0 / 1.2 };
                    if self.scene.is_solid() {
                        self.scene.sight.zoom(DVec2::ZERO, size.y, factor);
                    } else {
                        self.scene.view.zoom(size, 0.5 * size, factor);
                    }
                }
                Act::Move(way) => {
                    let by = STEP * size.min_element() * way.step();
                    if self.scene.is_solid() {
                        self.scene.sight.pan(by, size.y);
                    } else {
                        self.scene.view.pan(by);
                    }
                }
                Act::Pause => {
                    if let (Some(learning), Some(facts)) = (&self.learning, &mut self.facts.learning) {
                        facts.paused = !facts.paused;
                        learning.watch.pause(facts.paused);
                    }
                }
                Act::Copy => {
                    // A picture at rest may have been too slow to be supersampled.
                    let rest = self.graphics.as_ref().and_then(|g| g.shown.as_ref()).filter(|s| s.last);
                    let aa = rest.map_or(self.scene.aa, |s| s.detail.aa());
                    context.copy_text(self.scene.command(size, aa, "picture.png"));
                    let saved = self.scene.name.is_some();
                    self.notice(
                        context,
                        if saved {
                            "The command is in the clipboard."
                        } else {
                            "The command is in the clipboard; save the model first, and put its name in."
                        },
                    );
                }
                Act::Theme => {
                    let dark = !context.global_style().visuals.dark_mode;
                    self.memory.dark = Some(dark);
                    context.set_theme(if dark { egui::Theme::Dark } else { egui::Theme::Light });
                }
                Act::Rebuild => {
                    // Sooner, the loss would end the program.
                    if let Some(graphics) = self.graphics.as_ref().filter(|g| g.opened.elapsed() > PATIENCE) {
                        graphics.ctx.device().destroy();
                    }
                }
                Act::Quit => self.quit = true,
                // The controls have done the others.
                _ => {}
            }
            self.window.request_redraw();
        }
        if let (Some((lr, latent_lr)), Some(learning), Some(facts)) =
            (asked.rates, &self.learning, &mut self.facts.learning)
        {
            learning.watch.set_rates(lr, latent_lr);
            facts.rates = Some((lr, latent_lr));
        }
        if let (Some(config), Some(Learning { kind: Kind::Own(own), .. })) = (asked.restart, &self.learning) {
            let signals = (**own).clone();
            let mut config = *config;
            if let Some((lr, latent_lr)) = self.facts.learning.as_ref().and_then(|f| f.rates) {
                (config.optimiser.lr, config.optimiser.latent_lr) = (lr, latent_lr);
            }
            config.validate()?;
            self.scene.learned(start_of(&config, &signals, self.seed)?);
            self.reload()?;
            self.begin(config, &signals);
        }
        if asked.dismiss_truth {
            self.scene.truth = None;
            (self.scene.split, self.scene.look) = (false, Look::Picture);
        }
        if let Some(export) = asked.export {
            self.export(export, size, context);
        }
        Ok(())
    }

    pub(super) fn notice(&mut self, context: &egui::Context, text: &str) {
        let now = context.input(|i| i.time);
        self.panel.notice = Some((text.to_owned(), now + NOTICE));
    }

    pub(super) fn export(&mut self, export: Exports, size: DVec2, context: &egui::Context) {
        let Some(request) = self.scene.request(size) else {
            self.panel.error =
                Some("There is nothing of the picture on the canvas to write; Fit brings it back.".into());
            return;
        };
        let [w, h] = request.size.map(f64::from);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a picture's height in pixels")]
        let sized = |width: u32| [width, ((f64::from(width) * h / w).round() as u32).max(1)];
        let (export, path) = match export {
            Exports::Picture { path, width } => (Export::Picture { request, size: sized(width) }, path),
            Exports::Morph { path, width, frames, fps } => {
                let morph = self.scene.player.morph(&self.scene.codes);
                (Export::Morph { morph, request, size: sized(width), frames, fps }, path)
            }
            Exports::Mesh { path, cells } => (self.surface(cells), path),
            Exports::Latent { path } => (Export::Latent(self.scene.codes.mixed().z), path),
            Exports::Model { path } => (Export::Model, path),
        };
        if self.exports.iter().any(|e| e.path == Path::new(&path)) {
            self.notice(context, &format!("{path} is still being written."));
            return;
        }
        self.notice(context, &format!("{path} is being written."));
        let model = Arc::clone(&self.scene.model);
        self.exports.push(self.porter.send(export, model, path.into(), waker(&self.proxy)));
    }

    /// The surface of what is shown. Only of a latent of the table is it known where in the world it lies.
    fn surface(&self, cells: u32) -> Export {
        let Scene { codes, player, model, sight, .. } = &self.scene;
        let alone = !player.shown && codes.mixing != Mixing::Layers && codes.t == 0.0;
        let row = if let (true, Origin::Row(row)) = (alone, &codes.a.origin) { Some(*row) } else { None };
        let frame = model.solid.as_ref().map(|solid| solid.frame(row)).unwrap_or_default();
        Export::Mesh { weights: self.scene.weights(), cells, level: sight.level, frame }
    }
}
