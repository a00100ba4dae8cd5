//! `crossover`: fused against materialised over kinds of head, latents and points per latent; from one half of the
//! cells the device's cost model is fitted, on the other half it is judged.

use std::sync::Arc;

use super::field::Case;
use crate::Result;
use crate::bench::Suite;
use crate::bench::method::Method;
use crate::bench::record::Costs;
use crate::bench::session::{Entry, Session};
use crate::engine::{CostModel, Engine, Field, Strategy};
use crate::measure::Work;
use crate::model::heads::Multiplier;
use crate::model::{Family, HeadChoice, Inr, Jet, Model, WeightChoice};

/// Heads by name.
const HEADS: [(&str, WeightChoice); 3] = [
    ("linear", WeightChoice::Linear),
    ("rank 8", WeightChoice::LowRank(8, Multiplier::Tanh)),
    ("rank 3, demodulated", WeightChoice::LowRank(3, Multiplier::Demodulated)),
];
const STRATEGIES: [Strategy; 2] = [Strategy::Materialised, Strategy::Fused];
/// Within how much of the better time a choice is a good one.
const GOOD: f64 = 1.25;

/// Two rows, the work of each, and whether the fit sees them.
struct Cell {
    row: usize,
    work: [Work; 2],
    fitted: bool,
}

pub(super) fn run(session: &mut Session<'_>) -> Result<()> {
    // Many small cells, of which only the larger differences matter.
    let method = session.options.method;
    let method = Method {
        warm_up_s: method.warm_up_s.min(0.01),
        lap_s: method.lap_s.min(0.002),
        samples: method.samples.min(7),
        ..method
    };
    let inrs = [Inr::siren(2, 32, 3, 3, 30.0), Inr::siren(2, 64, 4, 3, 30.0)];
    for engine in session.engines {
        let mut cells = Vec::new();
        // A look needs no fit: the usual INR, and the two heads that differ most.
        let (inrs, heads) = if session.scale.full { (&inrs[..], &HEADS[..]) } else { (&inrs[1..], &HEADS[..2]) };
        for inr in inrs {
            for &(heads, weight) in heads {
                family(session, engine, &method, (inr, heads, weight), &mut cells)?;
            }
        }
        let costs = judge(session, &cells);
        session.keep(Costs { device: engine.describe(), costs });
    }
    Ok(())
}

fn family(
    session: &mut Session<'_>,
    engine: &Engine,
    method: &Method,
    (inr, heads, weight): (&Inr, &str, WeightChoice),
    cells: &mut Vec<Cell>,
) -> Result<()> {
    let points = session.scale.usual;
    let most = 512.min(points / 16).max(1);
    let family = Family { latents: most, seed: session.options.seed, ..Family::default() };
    let model = Arc::new(family.build(inr.clone(), |_| HeadChoice { weight, modulation: None }));
    let field = engine.load(&model)?;
    for (i, latents) in [1, 8, 64, 512].into_iter().enumerate() {
        for (j, each) in [16, 64, 256, 1024, 4096, 16_384, 65_536].into_iter().enumerate() {
            if latents <= most && latents * each <= points {
                let case = Case::new(&model, Some(heads), latents, each, Jet::Value)?;
                let entries = STRATEGIES.map(|s| whole(&field, &case, s, &model)).into();
                let row = session.race_by(method, Suite::Crossover, engine, entries)?;
                let fitted = (i + j).is_multiple_of(2);
                let work = [false, true].map(|fused| field.work(latents, each, fused));
                cells.push(Cell { row, work, fitted });
                for row in &mut session.record.rows[row..] {
                    row.fitted = Some(fitted);
                }
            }
        }
    }
    Ok(())
}

/// From latents to values on the host.
fn whole<'a>(field: &'a Field, case: &'a Case<'_>, strategy: Strategy, model: &Model) -> Entry<'a> {
    let (heads, points) = (case.heads.unwrap_or_default(), case.grid.points());
    let name = format!("{} {heads}, {points} x {}, {}", model.inr, case.latents, strategy.name());
    Entry::new(name, case.shape(Some(strategy)), case.work(), move || Ok(case.whole(field, strategy)))
}

/// Fits the cost model to one half of the cells and judges it by the other.
fn judge(session: &mut Session<'_>, cells: &[Cell]) -> CostModel {
    let rows = &mut session.record.rows;
    let seconds = |rows: &[crate::bench::Row], cell: &Cell| [0, 1].map(|k| rows[cell.row + k].time.summary.median);
    let samples: Vec<(Work, f64)> =
        (cells.iter().filter(|c| c.fitted)).flat_map(|c| c.work.into_iter().zip(seconds(rows, c))).collect();
    let mut costs = CostModel::fit(&samples);
    let (mut held_out, mut good) = (0, 0);
    for cell in cells {
        let [materialised, fused] = cell.work.each_ref().map(|w| costs.predict(w));
        let times = seconds(rows, cell);
        let ratio = times[usize::from(fused < materialised)] / times[0].min(times[1]);
        for row in &mut rows[cell.row..cell.row + 2] {
            row.figures.insert("auto_over_better".to_owned(), ratio);
            row.figures.insert("auto_fuses".to_owned(), f64::from(u8::from(fused < materialised)));
        }
        if !cell.fitted {
            held_out += 1;
            good += usize::from(ratio <= GOOD);
        }
    }
    costs.held_out = held_out;
    costs.within = good as f64 / held_out.max(1) as f64;
    costs
}
