//! The values at the corners of cells: asked of the field in batches, each once, kept where they were asked for.

use glam::{DVec3, Vec3};

use super::{BATCH, Implicit, Inside, Settings};
use crate::{Error, Result};

/// Corners of a block along an axis, as a power of two.
const BLOCK_BITS: u32 = 3;
/// Corners of a block.
const BLOCK: usize = 1 << (3 * BLOCK_BITS);
/// Not asked for yet.
const UNKNOWN: f32 = f32::NAN;
/// Asked for in the batch that is being collected.
const ASKED: f32 = f32::INFINITY;
/// What a corner on the cube's border is at least, if the surface is to be closed there.
const LID: f32 = f32::MIN_POSITIVE;

/// A corner of cells, counted from the cube's low corner along each axis.
pub(super) type Corner = [u32; 3];

/// Where corners are, and what of their values is inside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    /// Cells along an axis.
    pub(super) cells: u32,
    low: DVec3,
    side: f64,
    level: f32,
    inside: Inside,
    closed: bool,
}

impl Grid {
    pub(super) fn new(settings: &Settings) -> Self {
        let &Settings { cells, cube, level, inside, closed, .. } = settings;
        Self { cells, low: cube.low.as_dvec3(), side: f64::from(cube.side), level, inside, closed }
    }

    /// Where a place counted in cells is.
    pub(super) fn place(&self, cells: DVec3) -> Vec3 {
        (self.low + cells * (self.side / f64::from(self.cells))).as_vec3()
    }

    /// A cell's side.
    pub(super) fn step(&self) -> f32 {
        #[expect(clippy::cast_possible_truncation, reason = "a quotient of two f32")]
        let step = (self.side / f64::from(self.cells)) as f32;
        step
    }

    /// A field's value as a height above the surface: negative inside.
    pub(super) fn height(&self, value: f32) -> f32 {
        self.outwards() * (value - self.level)
    }

    /// The sign that makes a gradient point outwards.
    pub(super) fn outwards(&self) -> f32 {
        match self.inside {
            Inside::Below => 1.0,
            Inside::Above => -1.0,
        }
    }

    /// Whether the surface is closed where it meets the cube's border.
    pub(super) fn closed(&self) -> bool {
        self.closed
    }

    /// Whether a corner of this height is on the border, and outside because of that.
    pub(super) fn is_lid(&self, corner: Corner, height: f32) -> bool {
        self.closed && height == LID && self.is_border(corner)
    }

    fn is_border(&self, corner: Corner) -> bool {
        corner.iter().any(|&c| c == 0 || c == self.cells)
    }
}

/// Heights at corners, in blocks of 8 x 8 x 8 that exist where a corner was asked for.
pub(super) struct Lattice<'a> {
    pub(super) grid: Grid,
    field: &'a mut dyn Implicit,
    /// Blocks along an axis.
    across: usize,
    /// For each block its place in `blocks`, or the highest number.
    places: Vec<u32>,
    #[expect(clippy::vec_box, reason = "a list that grows would hold its blocks twice while it moves them")]
    blocks: Vec<Box<[f32; BLOCK]>>,
    asked: Vec<[u16; 3]>,
    /// Bytes that may be held, and what is held besides the blocks.
    limit: u64,
    besides: u64,
    /// How many values were asked of the field.
    pub(super) evaluations: u64,
}

impl<'a> Lattice<'a> {
    /// A lattice without values.
    pub(super) fn new(field: &'a mut dyn Implicit, settings: &Settings) -> Result<Self> {
        let across = (settings.cells as usize >> BLOCK_BITS) + 1;
        let mut lattice = Self {
            grid: Grid::new(settings),
            field,
            across,
            places: Vec::new(),
            blocks: Vec::new(),
            asked: Vec::new(),
            limit: settings.memory,
            besides: 0,
            evaluations: 0,
        };
        lattice.hold(4 * (across as u64).pow(3))?;
        lattice.places = vec![u32::MAX; across.pow(3)];
        Ok(lattice)
    }

    /// Counts bytes that are held besides the values.
    ///
    /// # Errors
    /// Where that is more than was allowed.
    pub(super) fn hold(&mut self, bytes: u64) -> Result<()> {
        self.besides += bytes;
        if self.bytes() <= self.limit {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "a surface with {} cells along an axis needs more than the {} MiB allowed: take fewer cells or allow more",
            self.grid.cells,
            self.limit >> 20
        )))
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> u64 {
        self.besides + 4 * (BLOCK * self.blocks.len()) as u64
    }

    /// Sees to it that the value at a corner is known after the next [`Self::flush`].
    pub(super) fn ask(&mut self, corner: Corner) -> Result<()> {
        let (block, within) = self.index(corner);
        if self.places[block] == u32::MAX {
            self.hold(0)?;
            self.places[block] = u32::try_from(self.blocks.len()).expect("2 KiB each: memory ends before 2^32 blocks");
            self.blocks.push(Box::new([UNKNOWN; BLOCK]));
        }
        let value = &mut self.blocks[self.places[block] as usize][within];
        if value.is_nan() {
            *value = ASKED;
            self.asked.push(corner.map(|c| u16::try_from(c).expect("at most 2048 cells along an axis")));
            if self.asked.len() == BATCH {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Evaluates what was asked for.
    ///
    /// # Errors
    /// Where the field fails, or a value is not finite.
    pub(super) fn flush(&mut self) -> Result<()> {
        let asked = std::mem::take(&mut self.asked);
        if asked.is_empty() {
            return Ok(());
        }
        let place = |c: &[u16; 3]| self.grid.place(c.map(f64::from).into()).to_array();
        let points: Vec<f32> = asked.iter().flat_map(place).collect();
        let mut values = vec![0.0; asked.len()];
        self.field.values(&points, &mut values)?;
        self.evaluations += asked.len() as u64;
        for (corner, &value) in asked.iter().zip(&values) {
            let corner = corner.map(u32::from);
            let mut height = self.grid.height(value);
            if !height.is_finite() {
                let at = self.grid.place(corner.map(f64::from).into());
                return Err(Error::invalid(format!("the field is {value} at {at}: a surface needs finite values")));
            }
            if self.grid.closed && self.grid.is_border(corner) {
                height = height.max(LID);
            }
            let (block, within) = self.index(corner);
            self.blocks[self.places[block] as usize][within] = height;
        }
        // The list's memory is kept for the next batch.
        self.asked = asked;
        self.asked.clear();
        Ok(())
    }

    /// The height at a corner that was asked for before the last flush.
    pub(super) fn height(&self, corner: Corner) -> f32 {
        let (block, within) = self.index(corner);
        let height = self.blocks[self.places[block] as usize][within];
        debug_assert!(height.is_finite(), "{corner:?} was not asked for");
        height
    }

    /// Hands the field back, and drops all values.
    pub(super) fn into_field(self) -> &'a mut dyn Implicit {
        self.field
    }

    fn index(&self, corner: Corner) -> (usize, usize) {
        let [x, y, z] = corner.map(|c| (c >> BLOCK_BITS) as usize);
        let [i, j, k] = corner.map(|c| c as usize % (1 << BLOCK_BITS));
        ((z * self.across + y) * self.across + x, (k << BLOCK_BITS | j) << BLOCK_BITS | i)
    }
}
