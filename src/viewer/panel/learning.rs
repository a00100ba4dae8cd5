//! A run or a search that is watched: its curves, and what can be changed about it.

use egui::{ComboBox, DragValue, Slider, Ui};
use egui_plot::{Line, PlotPoints};

use super::Asked;
use super::insight::{FULL, plot};
use crate::train::{ActivationKind, Config};
use crate::viewer::keys::{self, Act};
use crate::viewer::learn::Mark;

/// Most points on a curve; when there are more, every second one goes.
const POINTS: usize = 600;

/// Losses and PSNRs of a run so far, as many as a plot needs.
#[derive(Clone, Debug)]
pub(crate) struct Course {
    losses: Vec<[f64; 2]>,
    psnrs: Vec<[f64; 2]>,
    /// Of so many steps the last one is kept.
    every: u64,
    pub last: Option<Mark>,
}

impl Default for Course {
    fn default() -> Self {
        Self { losses: Vec::new(), psnrs: Vec::new(), every: 1, last: None }
    }
}

impl Course {
    pub(crate) fn add(&mut self, mark: Mark) {
        self.last = Some(mark);
        if !mark.step.is_multiple_of(self.every) {
            return;
        }
        self.losses.push([mark.step as f64, mark.loss.max(1e-12).log10()]);
        self.psnrs.extend(mark.psnr.map(|p| [mark.step as f64, p]));
        if self.losses.len() > POINTS {
            self.every *= 2;
            let every = self.every as f64;
            self.losses.retain(|p| p[0] % every == 0.0);
            self.psnrs.retain(|p| p[0] % every == 0.0);
        }
    }
}

/// What is known of a run that is watched.
#[derive(Clone, Debug)]
pub(crate) struct LearnFacts {
    /// What is learned, in words.
    pub what: String,
    pub course: Course,
    /// How many there will be; None: as many as there is time for.
    pub steps: Option<u64>,
    pub seconds: f64,
    pub paused: bool,
    /// Why it is over.
    pub end: Option<String>,
    /// The settings of a run that this window may begin again with others; None: it belongs to someone else, or is a
    /// search for a latent.
    pub config: Option<Config>,
    /// Learning rates that may be changed under way: of the network, and of the latents.
    pub rates: Option<(f64, f64)>,
}

pub(super) fn show(ui: &mut Ui, facts: Option<&LearnFacts>, asked: &mut Asked) {
    let Some(facts) = facts else {
        ui.label("Drop a picture or a shape on the window: a model with latents looks for the one that comes closest; else a new INR is fitted to it.");
        return;
    };
    egui::ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
        ui.label(&facts.what);
        if let Some(mark) = facts.course.last {
            let psnr = mark.psnr.map(|p| format!(", {p:.2} dB")).unwrap_or_default();
            let of = facts.steps.map(|steps| format!(" of {steps}")).unwrap_or_default();
            ui.label(format!("step {}{of}, loss {:.3e}{psnr}, {:.0} s", mark.step, mark.loss, facts.seconds));
        } else if facts.end.is_none() {
            ui.weak("It has not begun: what is to be learned is looked over first.");
        }
        match &facts.end {
            Some(end) => {
                ui.strong(end);
            }
            None => {
                let text = if facts.paused { "Go on" } else { "Pause" };
                if ui.button(text).on_hover_text(keys::of(Act::Pause)).clicked() {
                    asked.acts.push(Act::Pause);
                }
            }
        }
        let curve = |name: &str, points: &[[f64; 2]]| {
            Line::new(name.to_owned(), points.iter().copied().collect::<PlotPoints<'_>>())
        };
        // Shapes have none.
        if !facts.course.psnrs.is_empty() {
            ui.small("PSNR in dB over steps");
            plot("psnr", [FULL, 110.0]).show(ui, |plot| plot.line(curve("PSNR", &facts.course.psnrs)));
        }
        ui.small("log10 of the loss");
        plot("loss", [FULL, 90.0]).show(ui, |plot| plot.line(curve("loss", &facts.course.losses)));
        if let Some((lr, latent_lr)) = facts.rates {
            rates(ui, facts, (lr, latent_lr), asked);
        }
        if let Some(config) = &facts.config {
            settings(ui, config, asked);
        }
    });
}

fn rates(ui: &mut Ui, facts: &LearnFacts, (lr, latent_lr): (f64, f64), asked: &mut Asked) {
    let slider = |value| Slider::new(value, 1e-6..=1e-1).logarithmic(true).custom_formatter(|v, _| format!("{v:.1e}"));
    let (mut new, mut new_latent) = (lr, latent_lr);
    ui.add(slider(&mut new).text("lr")).on_hover_text("The learning rate: the run goes on with it at once");
    if facts.config.as_ref().is_none_or(|c| c.family.is_some()) {
        ui.add(slider(&mut new_latent).text("latents")).on_hover_text("The latents' learning rate");
    }
    if (new, new_latent) != (lr, latent_lr) {
        asked.rates = Some((new, new_latent));
    }
}

/// What makes another network: the run begins again.
fn settings(ui: &mut Ui, config: &Config, asked: &mut Asked) {
    ui.separator();
    ui.label("Network").on_hover_text("A change begins the fit again, from new random weights");
    let mut new = config.clone();
    let network = &mut new.network;
    // A value that is being dragged or typed takes effect when that is over.
    let number = |ui: &mut Ui, drag: DragValue<'_>, name: &str| {
        ui.horizontal(|ui| {
            let response = ui.add(drag.update_while_editing(false));
            let label = ui.label(name);
            response.labelled_by(label.id).changed()
        })
        .inner
    };
    let mut changed = false;
    changed |= number(ui, DragValue::new(&mut network.omega).range(0.1..=200.0).speed(0.5), "omega_0");
    changed |= number(ui, DragValue::new(&mut network.width).range(4..=512), "width");
    changed |= number(ui, DragValue::new(&mut network.layers).range(1..=8).speed(0.05), "hidden layers");
    ComboBox::from_label("activation").selected_text(format!("{:?}", network.activation)).show_ui(ui, |ui| {
        use ActivationKind::{Finer, Gabor, Gaussian, LeakyRelu, Relu, Sigmoid, Sine, Softplus, Tanh};
        for kind in [Sine, Finer, Gabor, Gaussian, Relu, LeakyRelu, Tanh, Sigmoid, Softplus] {
            changed |= ui.selectable_value(&mut network.activation, kind, format!("{kind:?}")).changed();
        }
    });
    if ui.button("Begin again").clicked() || changed && new != *config {
        asked.restart = Some(Box::new(new));
    }
}
