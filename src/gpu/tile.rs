//! The shape of the evaluate kernel's register and workgroup tiles.

use serde::{Deserialize, Serialize};

use super::layout::{Kind, Plan};
use crate::model::{Inr, Jet};

/// WebGPU's default limits of workgroup memory, and of invocations.
pub(super) const WORKGROUP_BYTES: usize = 16 << 10;
const WORKGROUP_INVOCATIONS: usize = 256;
/// Outputs and quads of points that an invocation owns.
const ROWS: usize = 8;
/// See [`ROWS`].
const QUADS: usize = 2;
/// Outputs that it owns where it has more quads: a jet's columns are quads of the same four points.
const JET_ROWS: usize = 4;
/// Outputs that it owns where subgroups share loads, and inputs whose weights they load at once.
const SHARED_ROWS: usize = 16;
/// See [`SHARED_ROWS`].
const SHARE: usize = 4;

/// Most inputs per slab of encoded coordinates, where those of activations are halves of 16 bits.
const EXACT_SLAB: usize = 4;

/// Invocations that fill the subgroups of any GPU (64 are two of NVIDIA's, one of AMD's widest).
const FILLED: usize = 64;

/// Points for one of a tile that was measured with many: with fewer, the tile that fits them is better.
const AMPLE: usize = 4;

/// The free choices of a tile; the rest follows from what is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TileConfig {
    /// Outputs that an invocation owns.
    pub rows: usize,
    /// Quads of points that it owns; one where jets are evaluated.
    pub quads: usize,
    /// Invocations along the points.
    pub point_groups: usize,
    /// Inputs per slab.
    pub slab: usize,
    /// Whether the invocations of a subgroup load weights for one another.
    pub share: bool,
}

impl std::fmt::Display for TileConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { rows, quads, point_groups, slab, share } = self;
        let shared = if *share { ", shared" } else { "" };
        write!(f, "{rows}x{} by {point_groups}, slab {slab}{shared}", 4 * quads)
    }
}

/// One way to cut a layer into invocations and slabs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Tile {
    /// Outputs per invocation.
    pub rows: usize,
    /// Columns of four numbers per invocation: of other points, or of the same four points' jets.
    pub quads: usize,
    /// Columns of a jet: 1 for values alone, else as many as there are quads.
    pub columns: usize,
    /// Invocations along the points.
    pub point_groups: usize,
    /// Invocations along the rows.
    pub row_groups: usize,
    /// Inputs per slab.
    pub slab: usize,
    /// Inputs whose weights a subgroup loads at once, an invocation for each, and hands round; 1: each loads its own.
    pub share: usize,
    /// Whether slabs of activations and their weights are of 16 bits each.
    pub half: bool,
    /// Inputs per slab of 32 bits: then only of those that encode coordinates.
    pub exact_slab: usize,
    /// vec4s of halves of each latent.
    pub half_vec4s: usize,
    /// vec4s of the widest layer, padded to whole row groups.
    pub rows4: usize,
    /// Latents that a workgroup evaluates side by side.
    pub slots: usize,
    /// Invocations for each of them.
    pub threads: usize,
    /// Points of each of them.
    pub points_per_group: usize,
    /// Workgroup memory of each of them in vec4s of 32 bits.
    pub tile_vec4s: usize,
    /// Workgroup memory in bytes, all together.
    pub tile_bytes: usize,
}

/// What of an adapter's the kernel uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tier {
    /// What every adapter has.
    #[default]
    Portable,
    /// Invocations of a subgroup, always of that many, hand weights round.
    Subgroup(usize),
}

/// What is asked of an evaluation, as far as its tile depends on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub latents: usize,
    /// Points of each.
    pub points: usize,
    pub jet: Jet,
    /// Whether halves of 16 bits are good enough, where the model is made for them: see [`Extent::new`].
    pub half: bool,
}

/// What is to be evaluated, as far as the shape of the tile depends on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    /// Widest layer.
    pub width: usize,
    /// Whether a weight is dear, so that many points should share it (linear heads, fused).
    pub dear: bool,
    /// Latents in the batch.
    pub latents: usize,
    /// Points of each.
    pub points: usize,
    /// Columns of a point's jet.
    pub columns: usize,
    /// Whether activations and their weights are halves of 16 bits.
    pub half: bool,
    /// On what.
    pub tier: Tier,
}

impl Extent {
    /// Halves have their precision between -1 and 1: what they are for are values, not derivatives, of models whose layers pass on no
    /// larger numbers.
    pub(super) fn new(inr: &Inr, plan: &Plan, asked: Asked, tier: Tier) -> Self {
        let Asked { latents, points, jet, half } = asked;
        // Only linear heads make a weight so dear that more points should share it.
        let dear = plan.kinds().contains(&Kind::Linear);
        let columns = jet.columns(inr.inputs);
        let bounded = inr.hidden.iter().all(|l| l.activation.is_bounded()) && plan.layers.iter().all(|l| l.place != 2);
        let half = half && columns == 1 && bounded;
        // A residual stream takes as many registers as sums do: none are left for the rows of shared loads. Halves are not
        // shared: a load brings twice as many.
        let tier = if half || inr.is_residual() { Tier::Portable } else { tier };
        Self { width: inr.max_width(), dear, latents, points, columns, half, tier }
    }
}

impl Tier {
    /// Whether subgroups can share the loads of a tile with so many invocations along the points: they share what their
    /// invocations all need, the weights of one row group.
    fn shares(self, point_groups: usize) -> bool {
        matches!(self, Self::Subgroup(lanes) if lanes >= SHARE && point_groups.is_multiple_of(lanes))
    }
}

impl Tile {
    /// By rule: shared loads wherever the tier has them.
    fn new(extent: &Extent, point_groups: usize, slab: usize) -> Self {
        let share = extent.tier.shares(point_groups);
        let rows = match share {
            _ if extent.columns > QUADS => JET_ROWS,
            // Where no rows are left over.
            true if (extent.width.div_ceil(ROWS) * ROWS).is_multiple_of(SHARED_ROWS) => SHARED_ROWS,
            _ => ROWS,
        };
        let quads = if extent.columns == 1 { QUADS } else { 1 };
        Self::cut(extent, TileConfig { rows, quads, point_groups, slab, share })
    }

    fn cut(extent: &Extent, config: TileConfig) -> Self {
        let Extent { width, columns, half, .. } = *extent;
        let TileConfig { rows, quads, point_groups, slab, share } = config;
        let row_groups = width.div_ceil(rows);
        let rows4 = row_groups * rows / 4;
        // The last layer's parts are added up for all of an invocation's points at a time: of a jet, column by column.
        let (reduced, quads) = (quads, quads * columns);
        let exact_slab = if half { EXACT_SLAB.min(slab / 2).max(1) } else { slab };
        let lanes4 = point_groups * quads;
        // Bias, gain and shift behind the weights, whether the model is modulated or not.
        let product = exact_slab * (lanes4 + rows4) + 3 * rows4;
        let half_vec4s = if half { slab * (lanes4 + rows4) } else { 0 };
        let reduction = row_groups.div_ceil(2) * point_groups * reduced * 4;
        let points_per_group = point_groups * reduced * 4;
        let last_layer = rows4 * 4;
        let tile_vec4s = product.max(reduction).max(last_layer);
        Self {
            rows,
            quads,
            columns,
            point_groups,
            row_groups,
            slab,
            share: if share { SHARE } else { 1 },
            half,
            exact_slab,
            half_vec4s,
            rows4,
            slots: 1,
            threads: row_groups * point_groups,
            points_per_group,
            tile_vec4s,
            tile_bytes: tile_vec4s * 16 + half_vec4s * 8,
        }
    }

    /// Its free choices.
    pub(super) fn config(&self) -> TileConfig {
        let Self { rows, quads, columns, point_groups, slab, share, .. } = *self;
        TileConfig { rows, quads: quads / columns, point_groups, slab, share: share > 1 }
    }

    /// The tile of a measured configuration; None where the adapter or the limits do not allow it, or there are too few
    /// points for it.
    pub(super) fn of(extent: &Extent, config: TileConfig) -> Option<Self> {
        let TileConfig { rows, quads, point_groups, slab, share } = config;
        // Nothing that a hand could write into a table overflows.
        let sane = [rows, quads, point_groups, slab].iter().all(|n| (1..=64).contains(n)) && rows.is_multiple_of(4);
        let allowed = !share || (extent.tier.shares(point_groups) && slab.is_multiple_of(SHARE));
        // A quad of a jet is four points with all their columns.
        if !sane || !allowed || (extent.columns > 1 && quads > 1) {
            return None;
        }
        let tile = Self::cut(extent, config);
        let fits = tile.tile_bytes <= WORKGROUP_BYTES && tile.threads <= WORKGROUP_INVOCATIONS;
        (fits && extent.points >= AMPLE * tile.points_per_group).then(|| tile.shared_by(extent.latents))
    }

    /// The same with several latents side by side: as many as there are, as fill the subgroups, and as fit.
    fn shared_by(self, latents: usize) -> Self {
        let fits = WORKGROUP_BYTES / self.tile_bytes;
        let slots = (FILLED / self.threads).min(fits).min(latents).max(1);
        Self { slots, tile_bytes: slots * self.tile_bytes, ..self }
    }

    /// The tile for an evaluation, within WebGPU's default limits.
    ///
    /// A workgroup takes at most 64 points and 128 invocations, so that at 64, 128 and 256 wide its tiles are 64 x 64,
    /// 128 x 64 and 256 x 32 (256 points and invocations where weights are dear; as many points as fill the subgroups
    /// where INRs are narrow); fewer where that leaves fewer of them idle. Small INRs with few points share a
    /// workgroup. Slabs are of 16, 8 or 4 inputs.
    pub(super) fn choose(extent: Extent) -> Self {
        let Extent { dear, latents, points, .. } = extent;
        let (invocations, most_points) = if dear { (256, 256) } else { (128, 64) };
        let tiles = |groups: usize| {
            let slabs = [16, 8, 4].map(|slab| Self::new(&extent, groups, slab).shared_by(latents));
            let fits = |t: &Self| {
                let narrow = t.threads <= FILLED && t.points_per_group <= 256;
                let few = t.points_per_group <= most_points && t.threads <= invocations;
                (few || narrow) && t.tile_bytes <= WORKGROUP_BYTES
            };
            // The deepest slab, unless a shallower one lets more latents in.
            slabs.into_iter().filter(fits).reduce(|best, t| if t.slots > best.slots { t } else { best })
        };
        // Points evaluated, the idle ones among them, and the price of a tile's weights in points.
        let price = if dear { 128 } else { 6 };
        let cost = |t: &Self| points.div_ceil(t.points_per_group) * (t.points_per_group + price);
        [32, 16, 8, 4, 2, 1]
            .into_iter()
            .filter_map(tiles)
            .reduce(|best, t| if cost(&t) < cost(&best) { t } else { best })
            // 512 wide, one point group, slabs of 4: 128 invocations and 14.4 KiB always fit.
            .unwrap_or_else(|| Self::new(&extent, 1, 4))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(width: usize, dear: bool, latents: usize, points: usize) -> Tile {
        Tile::choose(Extent { width, dear, latents, points, columns: 1, half: false, tier: Tier::Portable })
    }

    #[test]
    fn every_width_fits_the_portable_limits() {
        for dear in [false, true] {
            for width in 1..=512 {
                for (latents, points) in [(1, 1), (1, 1 << 20), (1000, 1), (7, 33), (4096, 4096)] {
                    for columns in 1..=6 {
                        let tiers = [Tier::Portable, Tier::Subgroup(8), Tier::Subgroup(32)].map(|tier| (tier, false));
                        for (tier, half) in tiers.into_iter().chain([(Tier::Portable, true)]) {
                            let t = Tile::choose(Extent { width, dear, latents, points, columns, half, tier });
                            let bytes = t.slots * (16 * t.tile_vec4s + 8 * t.half_vec4s);
                            assert!(bytes <= WORKGROUP_BYTES && t.slots * t.threads <= 256, "{width}: {t:?}");
                            assert!(t.rows4 * 4 >= width && t.slots <= latents);
                            assert!(t.slab.is_multiple_of(t.share));
                            // Learning adds up its rows' sums over the groups of points there.
                            let learns = !dear && tier == Tier::Portable && !half;
                            assert!(!learns || t.point_groups * t.rows4 <= t.tile_vec4s, "{width}: {t:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn the_measured_shapes_are_chosen() {
        let shape = |w| {
            let t = choose(w, false, 1, 1 << 16);
            (t.points_per_group, t.slab, t.threads)
        };
        assert_eq!(shape(64), (64, 16, 64));
        assert_eq!(shape(128), (64, 16, 128));
        assert_eq!(shape(256), (32, 8, 128));
    }

    #[test]
    fn no_group_idles() {
        // Few points of many small INRs: subgroups are filled with latents, not with padding.
        for (width, points) in [(16, 16), (16, 64), (32, 16), (24, 40), (64, 16)] {
            let t = choose(width, false, 4096, points);
            let used = points as f64 / points.next_multiple_of(t.points_per_group) as f64;
            assert!(t.slots * t.threads >= 48 && used > 0.8, "{width} wide, {points} points: {t:?}");
        }
        // Many points of one narrow INR: with points.
        let t = choose(16, false, 1, 1 << 16);
        assert!(t.slots == 1 && t.threads >= 48, "{t:?}");
    }
}
