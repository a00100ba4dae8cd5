//! `jets`: what derivatives with respect to the coordinates cost beside values alone.

use std::sync::Arc;

use super::field::Case;
use crate::Result;
use crate::bench::Suite;
use crate::bench::session::Session;
use crate::engine::Strategy;
use crate::model::{Inr, Jet, Model};

pub(super) fn run(session: &mut Session<'_>) -> Result<()> {
    let widths: &[usize] = if session.scale.full { &[32, 64, 128, 256] } else { &[64] };
    for &width in widths {
        let inr = Inr::siren(2, width, 4, 1, 30.0);
        let points = session.scale.points(inr.macs_per_point() * Jet::Laplacian.columns(inr.inputs));
        let model = Arc::new(Model::random_siren(inr, session.options.seed));
        let cases = [(Jet::Value, "value"), (Jet::Gradient, "gradient"), (Jet::Laplacian, "Laplacian")]
            .map(|(jet, what)| Case::new(&model, None, 1, points, jet).map(|case| (case, what)));
        let cases = cases.into_iter().collect::<Result<Vec<_>>>()?;
        for engine in session.engines {
            let entries = cases
                .iter()
                .map(|(case, what)| case.entry(engine, Strategy::Materialised, &format!("{} {what}", model.inr)));
            session.race(Suite::Jets, engine, entries.collect())?;
        }
    }
    Ok(())
}
