//! `evaluate`: points a second of INR evaluation; weights are generated beforehand.

use std::sync::Arc;

use super::field::Case;
use crate::Result;
use crate::bench::Suite;
use crate::bench::peers::{self, Kind};
use crate::bench::session::Session;
use crate::engine::{Engine, Strategy};
use crate::model::heads::Multiplier;
use crate::model::{Activation, Family, HeadChoice, HiddenLayer, Inr, Jet, Model, WeightChoice, builtin};

/// Widths at which halves of 16 bits and peers take part, too.
const COMPARED: [usize; 3] = [64, 128, 256];

pub(super) fn run(session: &mut Session<'_>) -> Result<()> {
    let seed = session.options.seed;
    for inr in shapes() {
        let model = Arc::new(Model::random_siren(inr.clone(), seed));
        let points = session.scale.points(inr.macs_per_point());
        alone(session, &model, points)?;
    }
    // The usual shape at every number of points; the usual number was measured above.
    let usual = Inr::siren(2, 64, 4, 3, 30.0);
    let model = Arc::new(Model::random_siren(usual.clone(), seed));
    let mut points = 1 << 10;
    while points <= session.scale.most {
        if points != session.scale.points(usual.macs_per_point()) {
            alone(session, &model, points)?;
        }
        points *= 4;
    }
    for (heads, model) in families(usual, seed)? {
        let points = session.scale.points(model.inr.macs_per_point());
        for latents in [1, 64.min(model.latents.len())] {
            let case = Case::new(&model, Some(heads), latents, (points / latents).max(16), Jet::Value)?;
            for engine in session.engines {
                race(session, engine, &case, &format!("{} {heads}", model.inr))?;
            }
        }
    }
    Ok(())
}

/// Single INRs: widths, depths and activations.
fn shapes() -> Vec<Inr> {
    let mut list: Vec<Inr> = [16, 32, 64, 128, 256, 512].map(|width| Inr::siren(2, width, 4, 3, 30.0)).into();
    list.extend([2, 8].map(|depth| Inr::siren(2, 64, depth, 3, 30.0)));
    let others = [
        Activation::Relu,
        Activation::Tanh,
        Activation::Gaussian { scale: 10.0 },
        Activation::Finer { omega: 30.0 },
        Activation::Gabor { omega: 20.0, scale: 10.0 },
    ];
    list.extend(others.map(|activation| {
        let hidden = vec![HiddenLayer::new(64, activation); 4];
        Inr { hidden, ..Inr::siren(2, 64, 4, 3, 30.0) }
    }));
    list
}

/// Families: low-rank heads, and the linear ones of a trained model.
fn families(inr: Inr, seed: u64) -> Result<[(&'static str, Arc<Model>); 2]> {
    let low_rank = HeadChoice { weight: WeightChoice::LowRank(8, Multiplier::Tanh), modulation: None };
    let family = Family { latents: 64, seed, ..Family::default() };
    Ok([("rank 8", Arc::new(family.build(inr, |_| low_rank))), ("linear, @emoji", Arc::new(builtin("emoji")?))])
}

/// A single INR on every device, beside a peer where there is one.
fn alone(session: &mut Session<'_>, model: &Arc<Model>, points: usize) -> Result<()> {
    let case = Case::new(model, None, 1, points, Jet::Value)?;
    let activation = model.inr.hidden.first().map_or("linear", |l| l.activation.kind());
    let what = format!("{} {activation}", model.inr);
    let (width, depth) = (model.inr.max_width(), model.inr.hidden.len());
    let usual = activation == "sine" && depth == 4 && COMPARED.contains(&width);
    let peers = if usual { session.peers.clone() } else { Vec::new() };
    let halves = case.of_halves();
    for engine in session.engines {
        let mut entries = vec![case.entry(engine, Strategy::Materialised, &what)];
        if usual && engine.gpu().is_some_and(|ctx| ctx.has_half()) {
            entries.push(halves.entry(engine, Strategy::Materialised, &what));
        }
        if !peers.is_empty() {
            let shared = case.shared(&entries[0].case, case.work());
            entries.extend(peers::entries(&peers, engine, &case.task(Kind::Evaluate), &shared)?);
        }
        session.race(Suite::Evaluate, engine, entries)?;
    }
    Ok(())
}

/// The strategies that were asked for, in turns.
fn race(session: &mut Session<'_>, engine: &Engine, case: &Case<'_>, what: &str) -> Result<()> {
    let entries = session.options.strategies.iter().map(|&s| case.entry(engine, s, what)).collect();
    session.race(Suite::Evaluate, engine, entries)?;
    Ok(())
}
