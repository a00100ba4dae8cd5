//! What is behind the picture: how far it is from its signal, how fast it changes, the weights that were generated for
//! it, and what it cost.

use egui::{ComboBox, Slider, Ui, Vec2};
use egui_plot::{Bar, BarChart, Line, Plot, PlotPoints};

use super::{Asked, Facts, Timings, solid};
use crate::engine::Strategy;
use crate::viewer::keys::{self, Act};
use crate::viewer::scene::{Look, Scene};

/// Width of a plot that fills the panel, in logical pixels.
pub(super) const FULL: f32 = super::WIDTH - 30.0;

pub(super) fn show(ui: &mut Ui, scene: &mut Scene, facts: &Facts, asked: &mut Asked) {
    egui::ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
        if scene.is_solid() {
            solid::show(ui, scene, asked);
        } else {
            looks(ui, scene, facts, asked);
        }
        samples(ui, scene);
        ui.separator();
        costs(ui, scene, &facts.timings);
        ui.separator();
        weights(ui, facts);
    });
}

fn looks(ui: &mut Ui, scene: &mut Scene, facts: &Facts, asked: &mut Asked) {
    ui.horizontal(|ui| {
        ui.selectable_value(&mut scene.look, Look::Picture, "picture");
        ui.add_enabled_ui(scene.truth.is_some(), |ui| {
            ui.selectable_value(&mut scene.look, Look::Error, "error")
                .on_hover_text(format!("Signed: grey where it is right ({})", keys::of(Act::Error)))
                .on_disabled_hover_text("No signal is at hand to compare with: drop its picture, or give --truth");
        });
        ui.selectable_value(&mut scene.look, Look::Gradient, "gradient")
            .on_hover_text(format!("How fast the picture changes, as it is shown ({})", keys::of(Act::Gradient)));
    });
    if scene.look != Look::Picture {
        ui.add(Slider::new(&mut scene.gain, -4.0..=8.0).text("gain, log2").fixed_decimals(1))
            .on_hover_text("What errors and gradients are multiplied by before they are shown");
    }
    match &scene.truth {
        Some(truth) => {
            let psnr = facts.psnr.map(|p| format!(": {p:.2} dB")).unwrap_or_default();
            ui.label(format!("{} ({}x{}){psnr}", truth.name, truth.picture.width, truth.picture.height))
                .on_hover_text("The signal at hand, and the PSNR of the picture against all of its pixels");
            ui.checkbox(&mut scene.split, "signal right of the divider")
                .on_hover_text(format!("Drag the divider on the picture ({})", keys::of(Act::Split)));
            asked.dismiss_truth = ui.small_button("Put the signal away").clicked();
        }
        None => {
            ui.weak("no signal at hand: drop its picture on the window");
        }
    }
    ui.checkbox(&mut scene.extrapolate, "beyond the frame").on_hover_text(format!(
        "Evaluate outside the trained coordinates too; they are shaded ({})",
        keys::of(Act::Beyond)
    ));
}

fn samples(ui: &mut Ui, scene: &mut Scene) {
    ui.add(Slider::new(&mut scene.aa, 1..=4).text("samples"))
        .on_hover_text("Points of each pixel, along a side, when at rest: --aa of render");
}

fn costs(ui: &mut Ui, scene: &mut Scene, timings: &Timings) {
    if !scene.is_solid() {
        strategies(ui, scene);
    }
    let last = |times: &std::collections::VecDeque<f64>| times.back().copied().unwrap_or(0.0);
    wrapped(
        ui,
        &format!(
            "generate {:.1} ms, evaluate {:.1} ms ({:.1} GFLOP/s, {}), present {:.1} ms",
            last(&timings.generate),
            last(&timings.evaluate),
            timings.gflops,
            timings.strategy,
            last(&timings.present)
        ),
    );
    let line = |name: &str, times: &std::collections::VecDeque<f64>| {
        let points = times.iter().enumerate().map(|(i, &t)| [i as f64, t]);
        Line::new(name.to_owned(), points.collect::<PlotPoints<'_>>())
    };
    plot("timings", [FULL, 90.0]).legend(egui_plot::Legend::default()).show(ui, |plot| {
        plot.line(line("generate", &timings.generate));
        plot.line(line("evaluate", &timings.evaluate));
        plot.line(line("present", &timings.present));
    });
}

fn strategies(ui: &mut Ui, scene: &mut Scene) {
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
        })
        .response
        .on_hover_text("Whether weights are generated inside the kernel that uses them, or written first");
}

fn wrapped(ui: &mut Ui, text: &str) {
    ui.add(egui::Label::new(egui::RichText::new(text).small()).wrap());
}

/// A plot that stays where it is and scales itself.
pub(super) fn plot(name: &str, [width, height]: [f32; 2]) -> Plot<'_> {
    Plot::new(name)
        .height(height)
        .width(width)
        .allow_drag(false)
        .allow_zoom(false)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        .allow_double_click_reset(false)
        .auto_bounds(true)
        .show_x(false)
        .set_margin_fraction(Vec2::splat(0.05))
}

fn weights(ui: &mut Ui, facts: &Facts) {
    ui.label("Generated weights").on_hover_text(
        "Each layer's matrix, a row for each output: blue below 0, red above; and how its numbers are distributed",
    );
    for (l, (layer, texture)) in facts.weights.iter().enumerate() {
        wrapped(
            ui,
            &format!(
                "layer {l}: {}x{}, +-{:.3}, deviation {:.3}",
                layer.outputs, layer.inputs, layer.peak, layer.deviation
            ),
        );
        ui.horizontal(|ui| {
            let aspect = layer.inputs as f32 / layer.outputs as f32;
            let size = if aspect > 1.0 { Vec2::new(90.0, 90.0 / aspect) } else { Vec2::new(90.0 * aspect, 90.0) };
            ui.image((texture.id(), size.max(Vec2::splat(8.0))));
            let bars =
                layer.histogram.iter().enumerate().map(|(i, &share)| Bar::new(i as f64, f64::from(share)).width(1.0));
            let name = format!("histogram {l}");
            let chart = BarChart::new(name.clone(), bars.collect());
            plot(&name, [120.0, 60.0]).show_axes(false).show(ui, |plot| plot.bar_chart(chart));
        });
    }
}
