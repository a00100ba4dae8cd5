//! Which cells the surface may run through: a search from coarse cells down to cells of 2 x 2 x 2, without evaluating
//! what lies far from it.

use glam::Vec3;

use super::lattice::{Corner, Lattice};
use super::{Cube, Implicit, Search};
use crate::Result;

/// Cells of one size, each in the set or not.
#[derive(Debug)]
pub(super) struct Cells {
    /// A cell's side, in the finest cells: a power of two.
    size: u32,
    /// Cells along an axis; the last ones may be cut off by the cube.
    pub(super) across: u32,
    bits: Vec<u64>,
}

impl Cells {
    /// No cells of this size, of a cube with `finest` of the finest cells along an axis.
    fn none(size: u32, finest: u32) -> Self {
        let across = finest.div_ceil(size);
        Self { size, across, bits: vec![0; (across as usize).pow(3).div_ceil(64)] }
    }

    /// Bytes that a set of cells of this size takes.
    fn bytes(size: u32, finest: u32) -> u64 {
        u64::from(finest.div_ceil(size)).pow(3).div_ceil(8)
    }

    fn index(&self, [x, y, z]: Corner) -> usize {
        let across = self.across as usize;
        (z as usize * across + y as usize) * across + x as usize
    }

    /// Whether a cell is in the set.
    pub(super) fn has(&self, cell: Corner) -> bool {
        let i = self.index(cell);
        self.bits[i / 64] >> (i % 64) & 1 == 1
    }

    fn insert(&mut self, cell: Corner) {
        let i = self.index(cell);
        self.bits[i / 64] |= 1 << (i % 64);
    }

    /// The cells of the set; x runs fastest.
    fn iter(&self) -> impl Iterator<Item = Corner> {
        let across = self.across as usize;
        let narrow = |i: usize| u32::try_from(i).expect("below the cells along an axis");
        self.bits.iter().enumerate().flat_map(move |(word, &bits)| {
            let ones = std::iter::successors(Some(bits), |b| Some(b & b.wrapping_sub(1))).take_while(|&b| b != 0);
            ones.map(move |b| {
                let i = word * 64 + b.trailing_zeros() as usize;
                [narrow(i % across), narrow(i / across % across), narrow(i / across / across)]
            })
        })
    }

    /// The corner of a cell that is lowest, and the highest within the cube.
    fn extent(&self, cell: Corner, finest: u32) -> [Corner; 2] {
        let low = cell.map(|c| c * self.size);
        [low, low.map(|c| (c + self.size).min(finest))]
    }

    /// All cells of half the size within these.
    fn halves(&self, finest: u32) -> Self {
        let mut halves = Self::none(self.size / 2, finest);
        for cell in self.iter() {
            for child in 0..8 {
                let half = [0, 1, 2].map(|a| 2 * cell[a] + (child >> a & 1));
                if half.iter().all(|&c| c < halves.across) {
                    halves.insert(half);
                }
            }
        }
        halves
    }

    /// These cells and all that touch them.
    fn widened(&self) -> Self {
        let mut wide = Self { size: self.size, across: self.across, bits: vec![0; self.bits.len()] };
        let near = |c: u32| c.saturating_sub(1)..(c + 2).min(self.across);
        for [x, y, z] in self.iter() {
            for (k, j) in near(z).flat_map(|k| near(y).map(move |j| (k, j))) {
                near(x).for_each(|i| wide.insert([i, j, k]));
            }
        }
        wide
    }
}

/// What a search found.
pub(super) struct Found {
    /// Cells of 2 x 2 x 2 finest cells; the values at all their corners are known.
    pub(super) pairs: Cells,
    /// The steepest difference seen between a coarse cell and one within it, per unit of length.
    pub(super) steepest: f32,
    /// How many of the cells were found by following the surface alone.
    pub(super) followed: u64,
}

/// Finds the cells and evaluates their corners.
pub(super) fn search(lattice: &mut Lattice<'_>, search: Search, bound: Option<f32>) -> Result<Found> {
    let finest = lattice.grid.cells;
    // The finest two sets are alive together, those above them are an eighth and less.
    lattice.hold(2 * Cells::bytes(2, finest))?;
    let mut steepest = 0.0;
    let mut pairs = match (search, bound) {
        (Search::Signs { coarse }, _) => by_signs(lattice, coarse)?,
        (_, Some(bound)) => by_bound(lattice, bound, &mut steepest)?,
        (_, None) => all(2, finest),
    };
    for cell in pairs.iter() {
        ask_corners(lattice, pairs.extent(cell, finest), 1)?;
    }
    lattice.flush()?;
    let followed = follow(lattice, &mut pairs)?;
    Ok(Found { pairs, steepest, followed })
}

/// Every cell of a size.
fn all(size: u32, finest: u32) -> Cells {
    let mut cells = Cells::none(size, finest);
    let across = cells.across;
    for (z, y) in (0..across).flat_map(|z| (0..across).map(move |y| (z, y))) {
        (0..across).for_each(|x| cells.insert([x, y, z]));
    }
    cells
}

/// The largest power of two of which at least `least` fit along an axis, 2 or more.
fn coarsest(finest: u32, least: u32) -> u32 {
    1 << (finest / least.max(1)).max(2).ilog2()
}

/// Keeps the cells in which a field whose gradient is no longer than `bound` can be zero: at a corner near the middle it
/// is then no larger than the bound times the distance to the farthest point of the cell.
fn by_bound(lattice: &mut Lattice<'_>, bound: f32, steepest: &mut f32) -> Result<Cells> {
    let grid = lattice.grid;
    let finest = grid.cells;
    let middle = |[low, high]: [Corner; 2]| [0, 1, 2].map(|a| low[a].midpoint(high[a]));
    let mut cells = all(coarsest(finest, 8), finest);
    loop {
        for cell in cells.iter() {
            lattice.ask(middle(cells.extent(cell, finest)))?;
        }
        lattice.flush()?;
        let mut kept = Cells::none(cells.size, finest);
        for cell in cells.iter() {
            let [low, high] = cells.extent(cell, finest);
            let at = middle([low, high]);
            let height = lattice.height(at);
            let far = [0, 1, 2].map(|a| (at[a] - low[a]).max(high[a] - at[a]));
            // Slack for the roundings of f32, in the field and here.
            let reach = bound * length(far) * grid.step() * 1.0001;
            // The cube's border is outside: it may cut through whatever is inside.
            let lidded = grid.closed() && (low.contains(&0) || high.contains(&finest));
            if height <= reach && (lidded || height >= -reach) {
                kept.insert(cell);
            }
            if cells.size * 2 <= coarsest(finest, 8) {
                let larger = cells.size * 2;
                let [low, high] = [cell, cell.map(|c| c + 2)].map(|c| c.map(|c| c / 2 * larger));
                let parent = middle([low, high.map(|c| c.min(finest))]);
                let apart = length([0, 1, 2].map(|a| at[a].abs_diff(parent[a]))) * grid.step();
                if apart > 0.0 {
                    *steepest = steepest.max((height - lattice.height(parent)).abs() / apart);
                }
            }
        }
        if cells.size == 2 {
            return Ok(kept);
        }
        cells = kept.halves(finest);
    }
}

/// A length counted in cells.
fn length(along: [u32; 3]) -> f32 {
    Vec3::from(along.map(|c| f32::from(u16::try_from(c).expect("at most 2048 cells along an axis")))).length()
}

/// Keeps the cells whose corners are not all on one side of the surface, and the cells that touch them, at every size
/// from `coarse` cells along an axis on (after MISE: Mescheder et al., "Occupancy networks", 2019).
fn by_signs(lattice: &mut Lattice<'_>, coarse: u32) -> Result<Cells> {
    let finest = lattice.grid.cells;
    let mut cells = all(coarsest(finest, coarse), finest);
    loop {
        for cell in cells.iter() {
            ask_corners(lattice, cells.extent(cell, finest), cells.size)?;
        }
        lattice.flush()?;
        let mut crossed = Cells::none(cells.size, finest);
        for cell in cells.iter() {
            if differs(lattice, cells.extent(cell, finest), cells.size) {
                crossed.insert(cell);
            }
        }
        let wide = crossed.widened();
        if cells.size == 2 {
            return Ok(wide);
        }
        cells = wide.halves(finest);
    }
}

/// The corners of a box of cells, `step` apart.
fn corners([low, high]: [Corner; 2], step: u32) -> impl Iterator<Item = Corner> {
    let along = [0, 1, 2].map(|a| {
        let (from, to) = (low[a], high[a]);
        // A box without extent along an axis is a face of one.
        let last = (from != to).then_some(to);
        (from..to.max(from + 1)).step_by(step as usize).chain(last)
    });
    let [xs, ys, zs] = along;
    zs.flat_map(move |z| {
        let xs = xs.clone();
        ys.clone().flat_map(move |y| xs.clone().map(move |x| [x, y, z]))
    })
}

fn ask_corners(lattice: &mut Lattice<'_>, extent: [Corner; 2], step: u32) -> Result<()> {
    corners(extent, step).try_for_each(|corner| lattice.ask(corner))
}

/// Whether some of a box's corners are inside and some outside.
fn differs(lattice: &Lattice<'_>, extent: [Corner; 2], step: u32) -> bool {
    let mut inside = corners(extent, step).map(|corner| lattice.height(corner) < 0.0);
    let first = inside.next();
    inside.any(|other| Some(other) != first)
}

/// Adds the cells into which the surface leaves the set, until it leaves it nowhere but through the cube's border: what
/// has been found of a surface is then all of it, whatever the search supposed. Returns how many were added.
fn follow(lattice: &mut Lattice<'_>, pairs: &mut Cells) -> Result<u64> {
    let finest = lattice.grid.cells;
    let mut front: Vec<Corner> = pairs.iter().collect();
    let mut added = 0;
    while !front.is_empty() {
        let mut next = Vec::new();
        for cell in front {
            let [low, high] = pairs.extent(cell, finest);
            for (axis, up) in (0..3).flat_map(|axis| [(axis, false), (axis, true)]) {
                let mut beyond = cell;
                let mut face = [low, high];
                if up {
                    beyond[axis] += 1;
                    face[0][axis] = high[axis];
                } else {
                    beyond[axis] = beyond[axis].wrapping_sub(1);
                    face[1][axis] = low[axis];
                }
                if beyond[axis] < pairs.across && !pairs.has(beyond) && differs(lattice, face, 1) {
                    pairs.insert(beyond);
                    ask_corners(lattice, pairs.extent(beyond, finest), 1)?;
                    next.push(beyond);
                }
            }
        }
        lattice.flush()?;
        added += next.len() as u64;
        front = next;
    }
    Ok(added)
}

/// How many points a bound on the gradient is measured at.
pub(super) const MEASURED_AT: u32 = 1 << 14;

/// The longest gradient of a field at 16,384 points spread evenly over a cube. No bound: between the points it may be
/// longer.
///
/// # Errors
/// Where the field fails.
pub fn steepest(field: &mut dyn Implicit, cube: &Cube) -> Result<f32> {
    // Multiples of the powers of one number modulo 1 fill the cube evenly (Roberts, "The unreasonable effectiveness of
    // quasirandom sequences", 2018): 1.2207... solves x^4 = x + 1.
    let ratio = 1.220_744_084_605_759_5_f64;
    let spread = |i: u32, a: i32| {
        #[expect(clippy::cast_possible_truncation, reason = "below 1")]
        let share = (f64::from(i) * ratio.powi(-1 - a)).fract() as f32;
        share
    };
    let point = |i| cube.low + cube.side * Vec3::from([0, 1, 2].map(|a| spread(i, a)));
    let points: Vec<f32> = (0..MEASURED_AT).flat_map(|i| point(i).to_array()).collect();
    let mut gradients = vec![0.0; points.len()];
    field.gradients(&points, &mut gradients)?;
    let lengths = gradients.chunks_exact(3).map(|g| Vec3::from_slice(g).length());
    Ok(lengths.filter(|l| l.is_finite()).fold(0.0, f32::max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_cells_count_and_widen_within_the_cube() {
        let mut cells = Cells::none(4, 33);
        assert_eq!(cells.across, 9);
        let some = [[0, 0, 0], [8, 8, 8], [3, 0, 0], [1, 2, 3]];
        some.iter().for_each(|&c| cells.insert(c));
        let mut sorted = some.to_vec();
        sorted.sort_by_key(|&[x, y, z]| [z, y, x]);
        assert_eq!(cells.iter().collect::<Vec<_>>(), sorted);
        assert_eq!(cells.extent([8, 8, 0], 33), [[32, 32, 0], [33, 33, 4]]);
        // The last cell is one cell of the finest wide: of its halves one is in the cube.
        assert_eq!(cells.halves(33).iter().count(), 8 + 1 + 8 + 8);
        assert_eq!(cells.widened().iter().count(), 8 + 8 + 27 + 12);
    }

    #[test]
    fn the_coarsest_cells_are_powers_of_two() {
        let sizes = [(7, 8), (16, 8), (33, 8), (256, 8), (1000, 8), (1024, 32), (256, 32), (50, 0)];
        assert_eq!(sizes.map(|(n, least)| coarsest(n, least)), [2, 2, 4, 32, 64, 32, 8, 32]);
        assert_eq!(corners([[4, 4, 4], [6, 5, 4]], 1).count(), 6);
        assert_eq!(corners([[0, 0, 32], [4, 4, 33]], 4).count(), 8);
    }
}
