//! How a solid is seen: material, surface, camera, and the plane through it.

use egui::{Slider, Ui};

use super::Asked;
use crate::model::Side;
use crate::trace::{Axis, Look};
use crate::viewer::keys::{self, Act};
use crate::viewer::scene::Scene;
use crate::viewer::sight::Sight;

/// The widest field of view that the slider gives, in degrees.
const WIDEST: f64 = 100.0;

pub(super) fn show(ui: &mut Ui, scene: &mut Scene, asked: &mut Asked) {
    let Some(solid) = &scene.model.solid else { return };
    let Sight { orbit, flying, look, plain, level, sliced, slice, wired } = &mut scene.sight;
    ui.horizontal(|ui| {
        let key = keys::of(Act::Normals);
        ui.selectable_value(look, Look::Clay, "clay")
            .on_hover_text(format!("Matt clay in three lights that turn with the camera ({key})"));
        ui.selectable_value(look, Look::Normals, "normals")
            .on_hover_text(format!("The surface's direction as red, green and blue ({key})"));
    });
    let mut shaded = !*plain;
    ui.add_enabled(*look == Look::Clay, egui::Checkbox::new(&mut shaded, "shadows and occlusion"))
        .on_hover_text("They take as long again as the picture: --plain of render is without")
        .on_disabled_hover_text("Normals are not lit");
    *plain = !shaded;
    let (range, what) = match solid.values {
        Side::Distance => {
            (-0.2..=0.2, "The distance from the surface at which the solid is seen to end: above 0 it grows")
        }
        Side::Occupancy => (-8.0..=8.0, "The logit at which the solid is seen to end: 0 is a probability of a half"),
    };
    ui.add(Slider::new(level, range).text("level").clamping(egui::SliderClamping::Edits)).on_hover_text(what);
    ui.checkbox(wired, "its mesh over it")
        .on_hover_text(format!("Coarse, and only over what is at rest ({})", keys::of(Act::Wires)));
    ui.separator();
    ui.checkbox(sliced, "plane through it")
        .on_hover_text(format!("Warm outside and cold inside, with lines of equal value ({})", keys::of(Act::Slice)));
    ui.add_enabled_ui(*sliced, |ui| {
        ui.horizontal(|ui| {
            for (axis, name) in [(Axis::X, "x"), (Axis::Y, "y"), (Axis::Z, "z")] {
                ui.selectable_value(&mut slice.axis, axis, name);
            }
            ui.checkbox(&mut slice.cut, "cut").on_hover_text("Take away what of the solid is before the plane");
        });
        ui.add(Slider::new(&mut slice.offset, -1.0..=1.0).text("place").fixed_decimals(2))
            .on_hover_text("Where on the axis the plane is");
    });
    ui.separator();
    ui.checkbox(flying, "fly")
        .on_hover_text(format!("W A S D, Q and E move, a drag looks around, Shift hurries ({})", keys::of(Act::Fly)));
    let mut fov = orbit.fov;
    let slider = Slider::new(&mut fov, 0.0..=WIDEST).text("view").fixed_decimals(0).suffix("\u{b0}");
    if ui.add(slider).on_hover_text("The vertical field of view; 0 is without perspective").changed() {
        scene.sight.widen(fov);
    }
    ui.horizontal(|ui| {
        ui.small(scene.sight.words());
        if ui.small_button("back").on_hover_text("To where it was first seen").clicked() {
            asked.acts.push(Act::Fit);
        }
    });
    let without =
        "No divider, error, PSNR and gradient: a solid's signal is a shape; `eval` measures how close they are";
    ui.weak("no picture to compare with").on_hover_text(without);
}
