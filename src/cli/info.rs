//! `info`: what is in a model file.

use anyhow::{Context as _, Result, bail};
use clap::Args;
use hypersine::cpu::{LayerSpread, Network, Spread};
use hypersine::model::{Align, Encoding, Frame, Interval, Model, Order, Side, Solid, Span};
use hypersine::train::Config;
use serde_json::json;

use super::{Global, open_model};

/// Latents over which the activations' spread is measured.
const LATENTS: usize = 8;
/// Points on a side of the lattice over which it is, about a thousand in all, by the number of coordinates.
const SIDES: [u16; 4] = [1024, 32, 10, 6];

/// Show what is in a model
///
/// For each layer, the standard deviations of what its activation is applied to and of what it hands on, over the points
/// of a grid and the first latents; and of these the part that varies over the points, which is the signal.
#[derive(Args)]
pub(super) struct Info {
    /// Model file, @emoji, @faces or @bodies
    model: String,
    /// List the names of all latents
    #[arg(long)]
    names: bool,
    /// Print the settings of the run that trained it, as the TOML file that `train --config` takes
    #[arg(long)]
    config: bool,
}

impl Info {
    pub(super) fn run(&self, global: &Global) -> Result<()> {
        let model = open_model(&self.model)?;
        if self.config {
            let Some(training) = model.training.clone() else {
                bail!("{}: not trained by hypersine, so that it has no settings of a run", self.model);
            };
            let config: Config = serde_json::from_value(training)
                .with_context(|| format!("{}: the settings of its run cannot be read", self.model))?;
            let toml = toml::to_string(&config)?;
            global.report(&json!(config), || toml.trim_end().to_owned());
            return Ok(());
        }
        let latents = model.latents.len().min(LATENTS);
        let points = lattice(&model);
        let spreads = if model.latent_dim() > 0 && latents == 0 {
            Vec::new()
        } else {
            Network::new(&model).spread(&model.latents.values()[..latents * model.latent_dim()], &points)
        };
        let layers: Vec<_> = (model.inr.layers().iter().zip(&model.hypernetwork.heads).enumerate())
            .map(|(l, (shape, head))| {
                let activation = shape.activation.map(|a| json!(a));
                json!({
                    "outputs": shape.outputs, "inputs": shape.inputs, "activation": activation, "head": head.kind(),
                    "stream": shape.stream,
                    "spread": spreads.get(l),
                })
            })
            .collect();
        let json = json!({
            "inr": model.inr.to_string(), "layers": layers, "encoding": model.inr.encoding, "weights": model.inr.weight_count(),
            "macs_per_point": model.inr.macs_per_point(),
            "spread_over": {"latents": latents, "points": points.len() / model.inr.inputs},
            "trunks": model.hypernetwork.trunks.len(), "parameters": model.hypernetwork.parameter_count(),
            "macs_per_latent": model.hypernetwork.macs_per_latent(),
            "latent_dim": model.latent_dim(), "latents": model.latents.names(),
            "coordinates": model.coordinates, "values": model.values, "provenance": model.provenance,
            "solid": model.solid, "training": model.training,
        });
        global.report(&json, || self.text(&model, &spreads));
        Ok(())
    }

    fn text(&self, model: &Model, spreads: &[LayerSpread]) -> String {
        let hyper = &model.hypernetwork;
        let mut lines = vec![format!(
            "INR         {}: {} weights, {} multiply-adds per point",
            model.inr,
            model.inr.weight_count(),
            model.inr.macs_per_point()
        )];
        for (l, (shape, head)) in model.inr.layers().iter().zip(&hyper.heads).enumerate() {
            let activation = shape.activation.map_or_else(|| "linear".to_owned(), |a| a.to_string());
            lines.push(format!(
                "  layer {l:<3} [{}, {}], {activation}, {} head{}",
                shape.outputs,
                shape.inputs,
                head.kind(),
                if shape.stream { ", carries the residual stream" } else { "" }
            ));
        }
        if !spreads.is_empty() {
            lines.push("activations standard deviations (in brackets: over the points alone)".into());
        }
        for (l, (spread, shape)) in spreads.iter().zip(model.inr.layers()).enumerate() {
            let shown = |s: Spread| format!("{:.3} ({:.3})", s.all, s.points);
            let before = shape.activation.map_or_else(String::new, |a| {
                let what = if a.omega().is_some() { "omega u" } else { "u" };
                format!("{what} {}, ", shown(spread.sums))
            });
            lines.push(format!("  layer {l:<3} {before}output {}", shown(spread.outputs)));
        }
        if model.latent_dim() > 0 {
            let widths = |t: &hypersine::model::Trunk<f32>| {
                t.layers.iter().map(|l| l.map.outputs.to_string()).collect::<Vec<_>>().join("-")
            };
            let first = hyper.trunks.first().map(widths).unwrap_or_default();
            lines.push(format!(
                "hypernet    {} trunks ({}-{first}), {} parameters, {} multiply-adds per latent",
                hyper.trunks.len(),
                model.latent_dim(),
                hyper.parameter_count(),
                hyper.macs_per_latent()
            ));
            let some: Vec<&str> = model.latents.names().iter().take(5).map(String::as_str).collect();
            let more = if model.latents.len() > 5 { ", ..." } else { "" };
            lines.push(format!(
                "latents     {} of {} entries: {}{more}",
                model.latents.len(),
                model.latent_dim(),
                some.join(", ")
            ));
        }
        match &model.inr.encoding {
            Encoding::Identity => {}
            Encoding::Fourier { features, .. } => {
                lines.push(format!("encoding    {features} Fourier features, sine and cosine"));
            }
            Encoding::Octaves { count, input } => {
                lines.push(format!(
                    "encoding    {count} octaves, sine and cosine{}",
                    if *input { ", behind x itself" } else { "" }
                ));
            }
        }
        lines.extend(if let Some(solid) = &model.solid { of_solid(solid) } else { of_picture(model) });
        if hyper.heads.iter().all(hypersine::model::Head::is_shared) {
            lines.push("a single INR: no latent is needed".into());
        }
        if !model.provenance.is_empty() {
            lines.push(format!("from        {}", model.provenance));
        }
        if self.names {
            lines.extend(model.latents.names().iter().enumerate().map(|(i, n)| format!("{i:>6}  {n}")));
        }
        lines.join("\n")
    }
}

/// The conventions of pictures.
fn of_picture(model: &Model) -> [String; 2] {
    let c = model.coordinates;
    let order = if c.order == Order::Xy { "x, y" } else { "y, x" };
    let align = if c.align == Align::Centre { "pixel centres" } else { "corners at the ends" };
    let interval = if c.interval == Interval::Symmetric { "[-1, 1]" } else { "[0, 1]" };
    let span = match c.span {
        Span::LongerSide => "the longer side",
        Span::EachAxis => "each axis",
        Span::Height => "the height",
    };
    let values = format!("values      {} (black) to {} (white)", model.values.low, model.values.high);
    let size = c.size.map_or_else(String::new, |[width, height]| format!("; of pictures of {width}x{height}"));
    [format!("coordinates {order}; {align}; {interval} along {span}{size}"), values]
}

/// The conventions of solids.
fn of_solid(solid: &Solid) -> [String; 2] {
    let values = match solid.values {
        Side::Distance => "signed distances in units of the box, negative inside",
        Side::Occupancy => "logits of being inside, positive there",
    };
    let place = match solid.frames.as_slice() {
        [] => String::new(),
        [Frame { centre, scale }] => format!("; in the world around {centre:?}, {scale} to each side"),
        _ => "; each latent has a place of its own in the world".into(),
    };
    [format!("coordinates x, y (up), z; the box [-1, 1]^3{place}"), format!("values      {values}")]
}

/// The middles of the cells of a lattice over the interval of the model's coordinates, `[points][inputs]`.
fn lattice(model: &Model) -> Vec<f32> {
    let inputs = model.inr.inputs;
    let side = SIDES[inputs - 1];
    let (low, size) = if model.coordinates.interval == Interval::Symmetric { (-1.0, 2.0) } else { (0.0, 1.0) };
    let mut points = Vec::new();
    for p in 0..(0..inputs).fold(1, |count, _| count * u32::from(side)) {
        let mut rest = p;
        for _ in 0..inputs {
            points.push(low + size * ((rest % u32::from(side)) as f32 + 0.5) / f32::from(side));
            rest /= u32::from(side);
        }
    }
    points
}
