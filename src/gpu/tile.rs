//! The shape of the evaluate kernel's register and workgroup tiles.

use serde::Serialize;

/// WebGPU's default limit of workgroup memory.
pub(super) const WORKGROUP_BYTES: usize = 16 << 10;
/// Outputs an invocation owns.
const ROWS: usize = 8;
/// Quads of points an invocation owns.
const QUADS: usize = 2;

/// One way to cut a layer into invocations and slabs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Tile {
    /// Outputs per invocation.
    pub rows: usize,
    /// Points per invocation, by four.
    pub quads: usize,
    /// Invocations along the points.
    pub point_groups: usize,
    /// Invocations along the rows.
    pub row_groups: usize,
    /// Inputs per slab.
    pub slab: usize,
    /// vec4s of the widest layer, padded to whole row groups.
    pub rows4: usize,
    /// Invocations of a workgroup.
    pub threads: usize,
    /// Points of a workgroup.
    pub points_per_group: usize,
    /// Workgroup memory in vec4s.
    pub tile_vec4s: usize,
    /// The same in bytes.
    pub tile_bytes: usize,
}

impl Tile {
    fn new(width: usize, point_groups: usize, slab: usize) -> Self {
        let row_groups = width.div_ceil(ROWS);
        let rows4 = row_groups * ROWS / 4;
        let points_per_group = point_groups * QUADS * 4;
        // Bias, gain and shift behind the weights, whether the model is modulated or not.
        let product = slab * points_per_group / 4 + (slab + 3) * rows4;
        let reduction = row_groups.div_ceil(2) * point_groups * QUADS * 4;
        let last_layer = rows4 * 4;
        let tile_vec4s = product.max(reduction).max(last_layer);
        Self {
            rows: ROWS,
            quads: QUADS,
            point_groups,
            row_groups,
            slab,
            rows4,
            threads: row_groups * point_groups,
            points_per_group,
            tile_vec4s,
            tile_bytes: tile_vec4s * 16,
        }
    }

    /// The tile for INRs up to `width` wide.
    ///
    /// Within WebGPU's default limits, the first that fits of: as many points as keep the group at 128
    /// invocations (256 where weights are fused, whose price every further point shares), slabs of 16, 8
    /// or 4 inputs. At 64, 128 and 256 wide that is 64 x 64, 128 x 64 and 256 x 32.
    pub(super) fn choose(width: usize, fused: bool) -> Self {
        let invocations = if fused { 256 } else { 128 };
        let most_points = if fused { 256 } else { 64 };
        let groups = [32, 16, 8, 4, 2, 1];
        groups
            .iter()
            .flat_map(|&g| [16, 8, 4].map(|slab| Self::new(width, g, slab)))
            .find(|t| t.points_per_group <= most_points && t.threads <= invocations && t.tile_bytes <= WORKGROUP_BYTES)
            // 512 wide, one point group, slabs of 4: 64 invocations and 10.5 KiB always fit.
            .unwrap_or_else(|| Self::new(width, 1, 4))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_fits_the_portable_limits() {
        for fused in [false, true] {
            for width in 1..=512 {
                let t = Tile::choose(width, fused);
                assert!(t.tile_bytes <= WORKGROUP_BYTES && t.threads <= 256, "{width}: {t:?}");
                assert!(t.rows4 * 4 >= width);
            }
        }
    }

    #[test]
    fn the_measured_shapes_are_chosen() {
        let shape = |w| {
            let t = Tile::choose(w, false);
            (t.points_per_group, t.slab, t.threads)
        };
        assert_eq!(shape(64), (64, 16, 64));
        assert_eq!(shape(128), (64, 16, 128));
        assert_eq!(shape(256), (32, 8, 128));
    }
}
