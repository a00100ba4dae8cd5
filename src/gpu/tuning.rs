//! Which tile an evaluation gets: by rule, or the one that was measured to be fastest on this very adapter.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::AdapterSummary;
use super::layout::Plan;
use super::tile::{Asked, Extent, Tier, Tile, TileConfig};
use crate::model::Inr;
use crate::{Error, Result, cache};

/// The file in the cache folder.
const FILE: &str = "tiles.json";
/// Configurations by the beginning of an adapter's name, so that the first run is not slow: what `bench tune` found there.
const SHIPPED: &str = include_str!("../../assets/tiles.json");
/// Most numbers that an invocation may hold for its activations, and as many for its sums.
const REGISTERS: usize = 128;

/// The fastest configurations, by kind of evaluation ([`TileSpace::kind`]).
pub type Tiles = BTreeMap<String, TileConfig>;

/// By what an adapter's tiles are chosen.
#[derive(Clone, Debug, Default)]
pub(super) struct Tiling {
    /// What tiles use that nobody measured.
    pub usual: Tier,
    /// What the adapter could do.
    pub able: Tier,
    /// Whether halves of 16 bits are wanted, where pictures are evaluated.
    pub half: bool,
    /// What was measured.
    pub tiles: Tiles,
}

/// The tiles that an evaluation could have.
#[derive(Clone, Copy, Debug)]
pub struct TileSpace {
    usual: Extent,
    able: Extent,
    residual: bool,
}

impl Tiling {
    /// The tile for so many latents and points of each.
    pub(super) fn tile(&self, inr: &Inr, plan: &Plan, asked: Asked) -> Tile {
        let space = self.space(inr, plan, asked);
        let measured = self.tiles.get(&space.kind()).and_then(|&config| Tile::of(&space.able, config));
        measured.unwrap_or_else(|| Tile::choose(space.usual))
    }

    pub(super) fn space(&self, inr: &Inr, plan: &Plan, asked: Asked) -> TileSpace {
        let asked = Asked { half: asked.half && self.half, ..asked };
        let extent = |tier| Extent::new(inr, plan, asked, tier);
        TileSpace { usual: extent(self.usual), able: extent(self.able), residual: inr.is_residual() }
    }
}

impl TileSpace {
    /// What evaluations share that are alike in all that makes one tile faster than another: the next power of two of their
    /// width, columns of jets, whether a weight is dear, whether there is a residual stream, whether there are halves.
    pub fn kind(&self) -> String {
        let Extent { width, columns, dear, half, .. } = self.able;
        let mut kind = format!("{} wide", width.next_power_of_two().max(16));
        if columns > 1 {
            kind += &format!(", {columns} columns");
        }
        if dear {
            kind += ", linear heads";
        }
        if self.residual {
            kind += ", residual";
        }
        if half {
            kind += ", f16";
        }
        kind
    }

    /// The configuration by rule.
    pub fn usual(&self) -> TileConfig {
        Tile::choose(self.usual).config()
    }

    /// Those that differ from `from` in one choice: what an invocation owns, invocations along the points, inputs per slab,
    /// shared loads.
    pub fn neighbours(&self, from: TileConfig) -> [Vec<TileConfig>; 4] {
        let owned = [4, 8, 16].map(|rows| [1, 2, 4].map(|quads| TileConfig { rows, quads, ..from }));
        let groups = [1, 2, 4, 8, 16, 32].map(|point_groups| TileConfig { point_groups, ..from });
        let slabs = [4, 8, 16, 32].map(|slab| TileConfig { slab, ..from });
        let share = TileConfig { share: !from.share, ..from };
        [owned.concat(), groups.to_vec(), slabs.to_vec(), vec![share]]
            .map(|list| list.into_iter().filter(|&config| config != from && self.worth(config)).collect())
    }

    /// Whether it can run, keeps subgroups busy, and has registers for what it owns.
    fn worth(&self, config: TileConfig) -> bool {
        let busy = |tile: Tile| tile.slots * tile.threads >= 32 && 4 * tile.rows * tile.quads <= REGISTERS;
        Tile::of(&self.able, config).is_some_and(busy)
    }
}

/// Where an adapter's configurations come from, and what they are. What was found on this machine goes before what is
/// shipped; `HYPERSINE_TILES` goes before both: `usual` for none at all, or a file like `assets/tiles.json`.
///
/// # Errors
/// Where that file is none.
pub fn tiles(adapter: &AdapterSummary) -> Result<(Tiles, &'static str)> {
    match std::env::var_os("HYPERSINE_TILES") {
        Some(usual) if usual == "usual" => return Ok((Tiles::new(), "by rule, as HYPERSINE_TILES asks")),
        Some(path) => return Ok((named(&adapter.name, &read(Path::new(&path))?), "from HYPERSINE_TILES")),
        None => {}
    }
    if let Some(found) = cache::load(FILE, &adapter.describe(), "tune") {
        return Ok((found, "measured here"));
    }
    // That it can be read, a test sees to.
    let found = named(&adapter.name, &serde_json::from_str(SHIPPED).unwrap_or_default());
    let source = if found.is_empty() { "by rule (`hypersine bench tune` measures)" } else { "as shipped" };
    Ok((found, source))
}

/// Keeps what was measured on an adapter; returns the file.
///
/// # Errors
/// Where there is no cache folder or it cannot be written.
pub fn keep(device: &str, tiles: &Tiles) -> Result<PathBuf> {
    cache::store(FILE, device, tiles)
}

fn read(path: &Path) -> Result<BTreeMap<String, Tiles>> {
    let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
    serde_json::from_str(&text)
        .map_err(|e| Error::file(path, format!("HYPERSINE_TILES names no table of tiles ({e}); see assets/tiles.json")))
}

/// Those of the adapter whose name begins so, the longest such name first.
fn named(adapter: &str, all: &BTreeMap<String, Tiles>) -> Tiles {
    let fitting = all.iter().filter(|(name, _)| adapter.starts_with(name.as_str()));
    fitting.max_by_key(|(name, _)| name.len()).map(|(_, tiles)| tiles.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::layout::Layout;
    use super::*;
    use crate::model::{Family, HeadChoice, Jet, Model, WeightChoice};

    #[test]
    fn what_is_shipped_can_be_had() {
        let shipped: BTreeMap<String, Tiles> = serde_json::from_str(SHIPPED).unwrap();
        for (adapter, tiles) in &shipped {
            assert!(!adapter.is_empty() && !tiles.is_empty());
            for (kind, &config) in tiles {
                let number = |unit: &str| {
                    kind.split(", ").find_map(|part| part.strip_suffix(unit)).map(|n| n.parse::<usize>().unwrap())
                };
                let (width, columns) = (number(" wide").unwrap(), number(" columns").unwrap_or(1));
                let (dear, tier) = (kind.contains("linear"), Tier::Subgroup(8));
                let half = kind.contains("f16");
                let extent = Extent { width, dear, latents: 1, points: 1 << 20, columns, half, tier };
                assert!(Tile::of(&extent, config).is_some(), "{adapter}, {kind}: {config}");
            }
        }
    }

    #[test]
    fn a_senseless_configuration_is_none() {
        let (dear, half, tier) = (false, false, Tier::Subgroup(8));
        let extent = Extent { width: 64, dear, latents: 1, points: 1 << 20, columns: 1, half, tier };
        let good = TileConfig { rows: 8, quads: 2, point_groups: 8, slab: 16, share: true };
        assert!(Tile::of(&extent, good).is_some());
        for n in [0, 3, 65, 1 << 32, 1 << 60, usize::MAX] {
            let bad = [
                TileConfig { rows: n, ..good },
                TileConfig { point_groups: n, ..good },
                TileConfig { slab: n, ..good },
                TileConfig { quads: if n == 3 { 0 } else { n }, ..good },
            ];
            for config in bad {
                assert!(Tile::of(&extent, config).is_none(), "{config}");
            }
        }
    }

    #[test]
    fn neighbours_fit_and_differ_in_one_choice() {
        let mut some = 0;
        for (width, jet, tier, half) in [
            (16, Jet::Value, 32, false),
            (33, Jet::Value, 8, false),
            (64, Jet::Gradient, 32, false),
            (512, Jet::Laplacian, 8, false),
            (100, Jet::Value, 32, true),
        ] {
            let inr = Inr::siren(3, width, 3, 1, 30.0);
            let (layout, _) = Layout::new(&Model::random_siren(inr.clone(), 1), 128 << 20).unwrap();
            let tiling = Tiling { able: Tier::Subgroup(tier), half, ..Tiling::default() };
            let asked = Asked { latents: 1, points: 1 << 16, jet, half: true };
            let space = tiling.space(&inr, &layout.materialised, asked);
            assert_eq!(space.kind().contains("f16"), half);
            let from = space.usual();
            for others in space.neighbours(from) {
                for other in others {
                    let tile = Tile::of(&space.able, other).unwrap();
                    assert!(tile.tile_bytes <= 16 << 10 && tile.threads <= 256 && tile.rows4 * 4 >= width, "{tile:?}");
                    let (a, b) = (from, other);
                    let differ = [
                        (a.rows, a.quads) != (b.rows, b.quads),
                        a.point_groups != b.point_groups,
                        a.slab != b.slab,
                        a.share != b.share,
                    ];
                    assert_eq!(differ.iter().filter(|&&d| d).count(), 1, "{from} and {other}");
                    some += 1;
                }
            }
        }
        assert!(some > 20, "{some}");
    }

    #[test]
    fn a_tile_is_for_its_kind_and_for_enough_points() {
        let tile = |width: usize, points, latents, heads: bool| {
            let family = Family { latents: 1, ..Family::default() };
            let model = match heads {
                true => family.build(Inr::siren(2, width, 3, 3, 30.0), |_| HeadChoice {
                    weight: WeightChoice::Linear,
                    modulation: None,
                }),
                false => Model::random_siren(Inr::siren(2, width, 3, 3, 30.0), 1),
            };
            let (layout, _) = Layout::new(&model, 128 << 20).unwrap();
            let config = TileConfig { rows: 4, quads: 4, point_groups: 4, slab: 4, share: false };
            let tiling = Tiling { tiles: Tiles::from([("64 wide".to_owned(), config)]), ..Tiling::default() };
            let asked = Asked { latents, points, jet: Jet::Value, half: true };
            tiling.tile(&model.inr, &layout.fused, asked).config() == config
        };
        assert!(tile(64, 256, 1, false) && tile(33, 1 << 20, 1, false) && tile(64, 4096, 100, false));
        // Wider, narrower, too few points, weights that are dear.
        assert!(!tile(65, 4096, 1, false) && !tile(32, 4096, 1, false));
        assert!(!tile(64, 255, 1, false) && !tile(64, 4096, 1, true));
    }
}
