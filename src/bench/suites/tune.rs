//! `tune`: the fastest tile for each kind of evaluation on this adapter. From the tile by rule, one choice after another is
//! varied, and what is clearly faster is kept; on a tie the tile that was there stays.

use std::sync::Arc;

use super::field::Case;
use crate::Result;
use crate::bench::Suite;
use crate::bench::method::Method;
use crate::bench::record::TunedTiles;
use crate::bench::session::{Entry, Session};
use crate::bench::stats::Verdict;
use crate::engine::{Engine, Strategy};
use crate::gpu::{Context, Field, TileConfig, TileSpace, Tiles};
use crate::model::{Inr, Jet, Model, builtin};

/// How often all choices are gone through.
const ROUNDS: usize = 2;

pub(super) fn run(session: &mut Session<'_>) -> Result<()> {
    let models = models(session)?;
    for engine in session.engines {
        let Some(ctx) = engine.gpu() else { continue };
        let mut tiles = Tiles::new();
        for (model, jet, heads) in &models {
            // A quarter of a usual case: what is as fast with more points is as fast with these.
            let points = session.scale.points(model.inr.macs_per_point() * jet.columns(model.inr.inputs)) / 4;
            let case = Case::new(model, *heads, 1, points, *jet)?;
            let is_plain = *jet == Jet::Value && heads.is_none();
            let halves = (ctx.has_half() && is_plain).then(|| case.of_halves());
            for case in std::iter::once(&case).chain(&halves) {
                let field = Field::new(ctx, model)?;
                let space = ctx.with_half(case.half, || field.tile_space(1, points, *jet, heads.is_some()));
                let best = Search { case, engine, ctx, space }.run(session)?;
                if best != space.usual() {
                    tiles.insert(space.kind(), best);
                }
            }
        }
        session.record.tiles.push(TunedTiles { device: engine.describe(), tiles });
    }
    Ok(())
}

/// A model, what is asked of it, and its heads, where they are fused.
type Sample = (Arc<Model>, Jet, Option<&'static str>);

/// One for each kind of evaluation.
fn models(session: &Session<'_>) -> Result<Vec<Sample>> {
    let random = |inr| Arc::new(Model::random_siren(inr, session.options.seed));
    let siren = |(width, jet)| (random(Inr::siren(2, width, 4, 3, 30.0)), jet, None);
    if !session.scale.full {
        return Ok(vec![siren((64, Jet::Value))]);
    }
    let mut models: Vec<_> = [16, 32, 64, 128, 256, 512].map(|width| siren((width, Jet::Value))).into();
    // Four columns are those of a picture's Laplacian, and of a solid's normal.
    models.extend([(64, Jet::Gradient), (64, Jet::Laplacian), (128, Jet::Laplacian)].map(siren));
    models.push((Arc::new(builtin("emoji")?), Jet::Value, Some("linear")));
    Ok(models)
}

/// The search for one kind's tile.
struct Search<'a> {
    case: &'a Case<'a>,
    engine: &'a Engine,
    ctx: &'a Context,
    space: TileSpace,
}

impl Search<'_> {
    fn run(&self, session: &mut Session<'_>) -> Result<TileConfig> {
        // A race is among few, and most of it is making their pipelines.
        let method = session.options.method;
        let method =
            Method { samples: method.samples.min(9), warm_up_s: method.warm_up_s.min(0.1), most_s: 1.0, ..method };
        let (mut best, mut races) = (self.space.usual(), 0);
        for _ in 0..ROUNDS {
            let start = best;
            for choice in 0..self.space.neighbours(best).len() {
                let mut racers = vec![best];
                racers.extend(&self.space.neighbours(best)[choice]);
                if racers.len() == 1 {
                    continue;
                }
                races += 1;
                let entries = racers.iter().map(|&config| self.entry(races, config)).collect();
                let first = session.race_by(&method, Suite::Tune, self.engine, entries)?;
                let rows = &session.record.rows[first..];
                let time = |i: usize| rows[i].time.summary;
                let right = (0..racers.len()).filter(|&i| rows[i].verified);
                let fastest = right.min_by(|&a, &b| time(a).median.total_cmp(&time(b).median));
                if let Some(i) = fastest
                    && Verdict::of(&time(i), &time(0)) == Verdict::Faster
                {
                    best = racers[i];
                }
            }
            if best == start {
                break;
            }
        }
        log::info!("{}: {best}", self.space.kind());
        Ok(best)
    }

    /// An evaluation whose tile has that configuration.
    fn entry(&self, race: usize, config: TileConfig) -> Entry<'_> {
        let (ctx, kind) = (self.ctx, self.space.kind());
        let case = format!("{kind}, race {race}: {config}");
        let strategy = if self.case.heads.is_some() { Strategy::Fused } else { Strategy::Materialised };
        let entry = self.case.entry(self.engine, strategy, "");
        let make = entry.make;
        let make = Box::new(move || ctx.with_tiles(Tiles::from([(kind, config)]), make));
        Entry { case, shape: entry.shape, work: entry.work, peer: None, make }
    }
}
