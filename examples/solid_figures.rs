//! Whether the solids of a latent space stay in one piece, and what the hierarchical search saves.
//!
//! `cargo run --release --example solid_figures -- MODEL pieces [PAIRS]`: seeded pairs of latents, their linear mixtures at 1/4, 1/2
//! and 3/4, and the share of the volume that is not in the largest piece.
//! `cargo run --release --example solid_figures -- MODEL search [CELLS]`: the first latent's mesh by the hierarchical search and by
//! evaluating every corner: whether it is the same, the corners evaluated, the seconds.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use hypersine::engine::{Body, Engine};
use hypersine::model::{Model, Path as Mixing, file};
use hypersine::surface::{Search, Settings, Surface, components, extract};
use rand::SeedableRng;
use rand::seq::index::sample;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(path), Some(what)) = (arguments.next(), arguments.next()) else {
        bail!("give a model, and pieces or search");
    };
    let number = arguments.next().map(|n| n.parse()).transpose()?;
    let model = Arc::new(file::load(Path::new(&path))?);
    match what.as_str() {
        "pieces" => pieces(&model, number.unwrap_or(20)),
        "search" => search(&model, u32::try_from(number.unwrap_or(256))?),
        other => bail!("'{other}' is neither pieces nor search"),
    }
}

/// The solids between seeded pairs of latents.
fn pieces(model: &Arc<Model>, pairs: usize) -> Result<()> {
    let table = &model.latents;
    ensure!(table.len() > 1, "a morph needs two latents, and this model has {}", table.len());
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    let (mut worst, mut broken) = (0.0_f64, 0);
    for _ in 0..pairs {
        let pair = sample(&mut rng, table.len(), 2);
        let (a, b) = (pair.index(0), pair.index(1));
        for t in [0.25, 0.5, 0.75] {
            let z = Mixing::Linear.at(table.get(a), table.get(b), t);
            let mut body = Body::new(&Engine::cpu(), model, &z)?;
            let settings = body.settings(128);
            let (surface, _) = extract(&mut body, &settings)?;
            let pieces = components(&surface.mesh);
            let largest = pieces.first().context("a mixture has no surface")?.volume.abs();
            let all: f64 = pieces.iter().map(|p| p.volume.abs()).sum();
            let second = pieces.get(1).map_or(0.0, |p| p.volume.abs() / all);
            worst = worst.max(second);
            broken += usize::from(second > 0.01);
            println!(
                "{} {t} {}: {} pieces, the largest {:.4} of the volume",
                table.names()[a],
                table.names()[b],
                pieces.len(),
                largest / all
            );
        }
    }
    println!(
        "{broken} of {} mixtures have a second piece of over 1 % of the volume; the worst has {worst:.5}",
        3 * pairs
    );
    Ok(())
}

/// The same mesh by two searches.
fn search(model: &Arc<Model>, cells: u32) -> Result<()> {
    let z = if model.latents.is_empty() { &[][..] } else { model.latents.get(0) };
    let mut body = Body::new(&Engine::cpu(), model, z)?;
    let settings = body.settings(cells);
    let mut meshed = |name: &str, search: Search| -> Result<Surface> {
        let started = Instant::now();
        let (surface, statistics) = extract(&mut body, &Settings { search, ..settings.clone() })?;
        println!(
            "{name}: {} triangles, {:.1} % of {} corners, {:.1} s, {:.0} MiB held at the most",
            surface.mesh.triangles.len(),
            100.0 * statistics.evaluations as f64 / statistics.corners as f64,
            statistics.corners,
            started.elapsed().as_secs_f64(),
            statistics.bytes as f64 / f64::from(1 << 20)
        );
        Ok(surface)
    };
    let found = meshed("hierarchical", settings.search)?;
    if cells > 256 {
        println!("(the dense grid is left out)");
        return Ok(());
    }
    let dense = meshed("dense", Search::Everywhere)?;
    println!("the same mesh: {}", found == dense);
    Ok(())
}
