//! Two latents mixed, and a morph through many.

use std::sync::Arc;

use egui::{ComboBox, Slider, Ui};

use super::Asked;
use crate::model::Easing;
use crate::viewer::keys::{self, Act};
use crate::viewer::latent::{Code, Codes, Mixing};
use crate::viewer::scene::Scene;

pub(super) fn show(ui: &mut Ui, scene: &mut Scene, asked: &mut Asked) {
    egui::ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| mix(ui, scene, asked));
}

fn mix(ui: &mut Ui, scene: &mut Scene, asked: &mut Asked) {
    if scene.model.latent_dim() == 0 {
        ui.label("A single INR has no latents to mix.");
        return;
    }
    let model = scene.model.clone();
    let table = &model.latents;
    let layers = model.inr.layers().len();
    let Codes { a, b, mixing, t, first_of_b, .. } = &mut scene.codes;
    let before = (*mixing, *t, *first_of_b);
    ui.label(format!("A: {}", a.title(table)));
    ComboBox::from_label("B").selected_text(b.title(table)).width(150.0).show_ui(ui, |ui| {
        for (row, name) in table.names().iter().enumerate() {
            if ui.selectable_label(b.origin == crate::viewer::latent::Origin::Row(row), name).clicked() {
                *b = Code::row(table, row);
            }
        }
    });
    ui.horizontal(|ui| {
        ui.selectable_value(mixing, Mixing::Linear, "linear").on_hover_text("Along the straight line from A to B");
        ui.selectable_value(mixing, Mixing::Spherical, "spherical")
            .on_hover_text("Along the great circle: the length of a latent stays between theirs");
        ui.selectable_value(mixing, Mixing::Layers, "layers")
            .on_hover_text("The first layers' weights from A, the rest from B");
    });
    if *mixing == Mixing::Layers {
        ui.add(Slider::new(first_of_b, 0..=layers).text("layers of A"))
            .on_hover_text("So many of the INR's layers have the weights that A generates; the others those of B");
    } else {
        ui.add(Slider::new(t, 0.0..=1.0).text("mix").fixed_decimals(2))
            .on_hover_text("How much of B is in the picture");
    }
    if before != (*mixing, *t, *first_of_b) {
        (scene.player.shown, scene.player.playing) = (false, false);
    }
    ui.horizontal(|ui| {
        button(ui, asked, true, "Swap", Act::Swap, "A becomes B and B becomes A");
        button(ui, asked, true, "To B", Act::SetB, "What is shown becomes B");
    });
    ui.separator();
    morph(ui, scene, asked);
}

fn button(ui: &mut Ui, asked: &mut Asked, enabled: bool, text: &str, act: Act, what: &str) {
    let button = ui.add_enabled(enabled, egui::Button::new(text));
    if button.on_hover_text(format!("{what} ({})", keys::of(act))).clicked() {
        asked.acts.push(act);
    }
}

fn morph(ui: &mut Ui, scene: &mut Scene, asked: &mut Asked) {
    ui.label("Morph").on_hover_text("A path through keyframes, played in a loop or once");
    let length = scene.player.length(&scene.codes);
    ui.horizontal(|ui| {
        button(ui, asked, true, "Add keyframe", Act::AddKey, "What is shown becomes the next keyframe");
        let text = if scene.player.playing { "Stop" } else { "Play" };
        button(ui, asked, length > 0.0, text, Act::Play, "Play the morph, or stop it");
    });
    if scene.codes.keys.len() < 2 {
        ui.weak("two keyframes make a morph");
    } else {
        let player = &mut scene.player;
        let slider = Slider::new(&mut player.time, 0.0..=length).text("s").fixed_decimals(2);
        player.shown |= ui.add(slider).on_hover_text("The moment that is shown").changed();
        ui.add(Slider::new(&mut player.seconds, 0.1..=10.0).logarithmic(true).text("s each").fixed_decimals(1))
            .on_hover_text("Seconds from one keyframe to the next");
        ui.horizontal(|ui| {
            ui.selectable_value(&mut player.easing, Easing::Linear, "even");
            ui.selectable_value(&mut player.easing, Easing::Smooth, "smooth")
                .on_hover_text("Slow at every keyframe: 3t^2 - 2t^3");
            ui.checkbox(&mut player.closed, "loop").on_hover_text("From the last keyframe back to the first");
        });
        player.time = player.time.min(player.length(&scene.codes));
    }
    let table = &scene.model.latents;
    let (keys, mut remove) = (&scene.codes.keys, None);
    let list = egui::ScrollArea::vertical().max_height(220.0).id_salt("keyframes");
    list.show_rows(ui, ui.spacing().interact_size.y, keys.len(), |ui, rows| {
        for i in rows {
            ui.horizontal(|ui| {
                if ui.small_button("x").on_hover_text("Take this keyframe out").clicked() {
                    remove = Some(i);
                }
                ui.label(format!("{}. {}", i + 1, keys[i].title(table)));
            });
        }
    });
    if let Some(i) = remove {
        scene.codes.keys.remove(i);
        if scene.codes.keys.len() < 2 {
            (scene.player.playing, scene.player.shown) = (false, false);
        }
    }
}

/// What is shown becomes the last keyframe.
pub(super) fn add_key(scene: &mut Scene) {
    if scene.model.latent_dim() > 0 {
        let key = scene.codes.mixed();
        scene.codes.keys.push(Arc::new(key));
    }
}

/// Plays the morph from where it is, or stops it; with too few keyframes, one from A to B.
pub(super) fn play(scene: &mut Scene) {
    if scene.model.latent_dim() == 0 {
        return;
    }
    if scene.codes.keys.len() < 2 {
        let Codes { a, b, keys, .. } = &mut scene.codes;
        *keys = [&*a, &*b].map(|code| Arc::new(code.clone())).to_vec();
    }
    let (length, player) = (scene.player.length(&scene.codes), &mut scene.player);
    player.playing = !player.playing && length > 0.0;
    player.shown = true;
    if player.playing && !player.closed && player.time >= length {
        player.time = 0.0;
    }
}
