//! `family`: from latents to values that stay on the device, generation and all: many INRs of low-rank heads, by both
//! strategies, beside peers that write all weights and multiply them in batches.

use std::sync::Arc;

use super::field::Case;
use crate::Result;
use crate::bench::Suite;
use crate::bench::peers::{self, Kind};
use crate::bench::session::Session;
use crate::model::heads::Multiplier;
use crate::model::{Family, HeadChoice, Inr, Jet, WeightChoice};

const RANK: usize = 10;
/// Points of each latent.
const POINTS: [usize; 2] = [1024, 64];
/// As many latents as fill four usual cases, but not more: on a real GPU so many.
const LATENTS: usize = 4096;

pub(super) fn run(session: &mut Session<'_>) -> Result<()> {
    let widths: &[usize] = if session.scale.full { &[64, 256] } else { &[64] };
    let heads = format!("rank {RANK}");
    for &width in widths {
        let inr = Inr::siren(2, width, 4, 3, 30.0);
        let latents = (4 * session.scale.points(inr.macs_per_point()) / POINTS[0]).clamp(1, LATENTS);
        let weight = WeightChoice::LowRank(RANK, Multiplier::Tanh);
        let family = Family { latents, seed: session.options.seed, ..Family::default() };
        let model = Arc::new(family.build(inr, |_| HeadChoice { weight, modulation: None }));
        for points in POINTS {
            let case = Case::new(&model, Some(&heads), latents, points, Jet::Value)?;
            let what = format!("{} {heads}, {points} x {latents}", model.inr);
            for engine in session.engines {
                let strategies = session.options.strategies.iter();
                let mut entries: Vec<_> = strategies.map(|&s| case.entry_with_generation(engine, s, &what)).collect();
                if !session.peers.is_empty() {
                    let shared = case.shared(&format!("{what}, bmm"), case.whole_work());
                    entries.extend(peers::entries(&session.peers, engine, &case.task(Kind::Family), &shared)?);
                }
                session.race(Suite::Family, engine, entries)?;
            }
        }
    }
    Ok(())
}
