//! What is to be shown.

use std::sync::Arc;

use glam::DVec2;
use serde::{Deserialize, Serialize};

use super::latent::{Code, Codes, Origin, Player, Weights};
use super::sight::{Sight, lens};
use super::view::View;
use super::wires::Of;
use crate::engine::Strategy;
use crate::model::{Model, Principal, Region};
use crate::signal::Picture;
use crate::trace;

/// What of the picture is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Look {
    /// The picture.
    #[default]
    Picture = 0,
    /// How far it is from the signal: grey where it is right.
    Error = 1,
    /// How fast it changes.
    Gradient = 2,
}

/// The signal that a picture stands for.
#[derive(Clone, Debug)]
pub(super) struct Truth {
    pub name: String,
    pub picture: Arc<Picture>,
}

/// All that decides what the canvas shows.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    pub model: Arc<Model>,
    /// What the command line calls it; None while it is not in a file.
    pub name: Option<String>,
    /// Of the table.
    pub principal: Arc<Principal>,
    pub codes: Codes,
    pub player: Player,
    /// What of a picture is seen.
    pub view: View,
    /// How a solid is seen.
    pub sight: Sight,
    pub look: Look,
    /// Log2 of what errors and gradients are multiplied by.
    pub gain: f32,
    /// Show the signal right of `divider`, a share of the canvas.
    pub split: bool,
    pub divider: f32,
    /// Evaluate beyond the picture's own frame too.
    pub extrapolate: bool,
    /// Points per pixel along each side, when at rest.
    pub aa: u32,
    pub strategy: Strategy,
    pub truth: Option<Truth>,
    /// The size that the signals have where no truth says it.
    pub shape: [u32; 2],
}

/// What of a model is to be shown.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Subject {
    /// A region of the picture plane.
    Plane {
        region: Region,
        /// As floats: small differences matter.
        floats: bool,
    },
    /// A solid, seen by a camera.
    Solid(Box<trace::Scene>),
}

/// One picture to evaluate: what the painter gets.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Request {
    pub weights: Weights,
    pub subject: Subject,
    /// Size in canvas pixels.
    pub size: [u32; 2],
    pub aa: u32,
    pub strategy: Strategy,
}

impl Request {
    /// The request with so many canvas pixels to an evaluated one, along each side: how many these are, and the region of
    /// the canvas' plane that they cover (whole coarse pixels).
    pub(super) fn at_level(&self, coarse: u32) -> ([u32; 2], Region) {
        match &self.subject {
            Subject::Plane { region: r, .. } => {
                let size = self.size.map(|s| s.div_ceil(coarse));
                let stretch = |i: usize| f64::from(size[i] * coarse) / f64::from(self.size[i]);
                let (x, y) = (stretch(0), stretch(1));
                (size, Region { x1: r.x0 + (r.x1 - r.x0) * x, y1: r.y0 + (r.y1 - r.y0) * y, ..*r })
            }
            Subject::Solid(_) => {
                // A camera sees from edge to edge whatever the height, and its pixels are square.
                let [width, height] = self.size;
                let rows = height.div_ceil(coarse);
                let size = [(width * rows).div_ceil(height), rows];
                (size, lens(DVec2::from(size.map(f64::from))))
            }
        }
    }
}

impl Scene {
    /// A model as it is first seen; the view is fitted when the canvas is known.
    pub(super) fn new(model: Arc<Model>, name: Option<String>, codes: Codes) -> Self {
        let shape = model.coordinates.size.unwrap_or([1, 1]);
        Self {
            principal: Arc::new(Principal::of(&model.latents)),
            model,
            name,
            codes,
            player: Player::default(),
            view: View { centre: DVec2::ZERO, scale: 1.0 },
            sight: Sight::default(),
            look: Look::Picture,
            gain: 0.0,
            split: false,
            divider: 0.5,
            extrapolate: false,
            aa: 2,
            strategy: Strategy::Auto,
            truth: None,
            shape,
        }
    }

    /// The trained part of the picture plane.
    pub(super) fn frame(&self) -> Region {
        let [width, height] = self.truth.as_ref().map_or(self.shape, |t| [t.picture.width, t.picture.height]);
        self.model.coordinates.frame(width, height)
    }

    /// The same model after it has learned more; its principal axes are found elsewhere, which may take a while.
    pub(super) fn learned(&mut self, model: Arc<Model>) {
        self.codes.refresh(&model.latents);
        self.model = model;
    }

    /// The weights at hand: of the morph while it is looked at, else of the codes.
    pub(super) fn weights(&self) -> Weights {
        if self.player.shown && !self.codes.keys.is_empty() {
            Weights::Latent(self.player.z(&self.codes))
        } else {
            self.codes.weights()
        }
    }

    /// Whether the model is one of solids, not of pictures.
    pub(super) fn is_solid(&self) -> bool {
        self.model.solid.is_some()
    }

    /// Of what the mesh over a solid is to be.
    pub(super) fn wires(&self) -> Of {
        Of { model: Arc::clone(&self.model), weights: self.weights(), level: self.sight.level }
    }

    /// The part of its plane that the canvas shows.
    pub(super) fn region(&self, canvas: DVec2) -> Region {
        if self.is_solid() { lens(canvas) } else { self.view.region(canvas) }
    }

    /// What must be evaluated for a canvas of this size; None where nothing is in sight.
    pub(super) fn request(&self, canvas: DVec2) -> Option<Request> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a canvas is whole pixels")]
        let whole = [canvas.x as u32, canvas.y as u32];
        let (subject, size) = if let Some(solid) = &self.model.solid {
            (Subject::Solid(Box::new(self.sight.scene(solid.values))), whole)
        } else {
            let (region, size) = if self.extrapolate {
                (self.view.region(canvas), whole)
            } else {
                self.view.visible(canvas, &self.frame())?
            };
            (Subject::Plane { region, floats: self.look == Look::Gradient }, size)
        };
        // A morph under way is never at rest.
        let aa = if self.player.playing && self.player.shown { 1 } else { self.aa };
        Some(Request { weights: self.weights(), subject, size, aa, strategy: self.strategy })
    }

    /// The name of what is shown.
    pub(super) fn title(&self) -> String {
        let table = &self.model.latents;
        let Codes { a, b, t, mixing, first_of_b, .. } = &self.codes;
        if self.player.shown {
            format!("a morph at {:.1} s", self.player.time)
        } else if a.z.is_empty() {
            self.truth.as_ref().map_or_else(|| "one INR".into(), |t| t.name.clone())
        } else if *mixing == super::latent::Mixing::Layers {
            format!("{} + layers {first_of_b}.. of {}", a.title(table), b.title(table))
        } else if *t > 0.0 {
            format!("{} + {:.0} % {}", a.title(table), t * 100.0, b.title(table))
        } else {
            a.title(table)
        }
    }

    /// Chooses a row of the table.
    pub(super) fn choose(&mut self, row: usize) {
        if row < self.model.latents.len() {
            self.codes.a = Code::row(&self.model.latents, row);
            self.player.shown = false;
            self.player.playing = false;
        }
    }

    /// Chooses the row `step` further down the table.
    pub(super) fn step(&mut self, step: isize) {
        let last = self.model.latents.len().saturating_sub(1);
        let from = if let Origin::Row(row) = self.codes.a.origin { row } else { 0 };
        self.choose(from.saturating_add_signed(step).min(last));
    }

    /// Looks at errors or gradients, or back at the picture.
    pub(super) fn toggle_look(&mut self, error: bool) {
        let wanted = if error { Look::Error } else { Look::Gradient };
        let possible = !error || self.truth.is_some();
        self.look = if self.look == wanted || !possible { Look::Picture } else { wanted };
    }

    /// Moves the first latent by hand.
    pub(super) fn move_to(&mut self, z: Vec<f32>) {
        self.codes.a = Code { z, origin: Origin::Free };
        self.player.shown = false;
        self.player.playing = false;
    }

    /// The `render` command that writes what a canvas of this size shows, with so many points a pixel along each side.
    pub(super) fn command(&self, canvas: DVec2, aa: u32, output: &str) -> String {
        let mut words = vec!["hypersine".to_owned(), "render".to_owned()];
        words.push(self.name.clone().unwrap_or_else(|| "MODEL.safetensors".into()));
        if self.player.shown && !self.codes.keys.is_empty() {
            let z = Code { z: self.player.z(&self.codes), origin: Origin::Free };
            words.push(format!("--latent={}", z.argument(&self.model.latents)));
        } else {
            words.extend(self.codes.flags(&self.model.latents));
        }
        if let Some(Request { subject, size: [w, h], .. }) = self.request(canvas) {
            words.push(format!("--size={w}x{h}"));
            match subject {
                Subject::Plane { region: r, .. } => {
                    words.push(format!("--region={},{},{},{}", r.x0, r.y0, r.x1, r.y1));
                }
                Subject::Solid(_) => words.extend(self.sight.flags()),
            }
        }
        if aa > 1 {
            words.push(format!("--aa={aa}"));
        }
        words.extend(["-o".into(), output.into()]);
        words.iter().map(|w| quoted(w)).collect::<Vec<_>>().join(" ")
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./,:@+#%".contains(c);
    if !word.is_empty() && word.chars().all(plain) && !word.starts_with('#') {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_a_shell() {
        for word in ["plain", "a b", "it's", "$HOME", "#3", "", "--region=-1,-1,0.5,1", "żółw"] {
            let command = format!("printf %s {}", quoted(word));
            let output = std::process::Command::new("sh").args(["-c", &command]).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stdout), word, "{command}");
        }
    }
}
