//! Pictures of many latents side by side on one, made band by band: memory does not grow with the picture.

use std::ops::Range;

use super::field::chunks;
use super::{Field, Report, Strategy};
use crate::model::{Domain, Grid, MAX_SIDE};
use crate::{Error, Result};

/// Most bytes of a band.
const BAND_BYTES: usize = 32 << 20;
/// Most points of a pixel along each side.
const MAX_AA: u32 = 16;

/// Pictures of one size, left to right and then down. A single picture is a mosaic of one.
#[derive(Clone, Copy, Debug)]
pub struct Mosaic {
    cell: Grid,
    cells: usize,
    columns: usize,
    aa: u32,
}

impl Mosaic {
    /// A mosaic of `cells` pictures, so many in a row, or as nearly square as whole rows allow. A pixel is the mean of
    /// `aa x aa` points.
    ///
    /// # Errors
    /// Where it would be empty or too large, or its pixels be the mean of none or of too many points.
    pub fn new(cell: Grid, cells: usize, columns: Option<usize>, aa: u32) -> Result<Self> {
        if !(1..=MAX_AA).contains(&aa) {
            return Err(Error::invalid(format!("{aa}x{aa} points of a pixel; 1 to {MAX_AA} a side are supported")));
        }
        let columns = Self::columns(cells, columns, [cell.width, cell.height]);
        let mosaic = Self { cell, cells, columns, aa };
        let fits =
            |n: usize, side: u32| n.checked_mul(side as usize).is_some_and(|s| (1..=MAX_SIDE as usize).contains(&s));
        if fits(columns, cell.width) && fits(mosaic.lines(), cell.height) {
            return Ok(mosaic);
        }
        Err(Error::invalid(format!(
            "{cells} pictures of {}x{} pixels make no picture of at most {MAX_SIDE} pixels a side; choose another --size",
            cell.width, cell.height
        )))
    }

    /// How many of `cells` pictures of a size stand in a row: as many as are wanted, or so many that the whole is as nearly
    /// square as whole rows allow.
    pub fn columns(cells: usize, wanted: Option<usize>, [width, height]: [u32; 2]) -> usize {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the root of a count is small")]
        let square = (cells as f64 * f64::from(height) / f64::from(width)).sqrt().ceil() as usize;
        wanted.unwrap_or(square).clamp(1, cells.max(1))
    }

    /// A single picture.
    ///
    /// # Errors
    /// As [`Mosaic::new`].
    pub fn single(cell: Grid, aa: u32) -> Result<Self> {
        Self::new(cell, 1, Some(1), aa)
    }

    /// Rows of cells.
    fn lines(&self) -> usize {
        self.cells.div_ceil(self.columns)
    }

    /// Width and height in pixels.
    #[expect(clippy::cast_possible_truncation, reason = "at most MAX_SIDE each, checked when it was made")]
    pub fn size(&self) -> [u32; 2] {
        [self.columns as u32 * self.cell.width, self.lines() as u32 * self.cell.height]
    }

    /// Evaluates the latents `z`, one per cell, and hands over rows of pixels from the top down, as many at a time as
    /// fit a band: `[rows][width][outputs]`. Cells without a latent are white.
    ///
    /// # Errors
    /// As [`Field::evaluate_blocks`], or what `rows` returns.
    pub fn render(
        &self,
        field: &Field,
        z: &[f32],
        strategy: Strategy,
        mut rows: impl FnMut(&[f32]) -> Result<()>,
    ) -> Result<Report> {
        let mut report = Report::default();
        let row = self.size()[0] as usize * field.model().inr.outputs;
        let affordable = (BAND_BYTES / (row * size_of::<f32>())).max(1);
        let height = self.cell.height as usize;
        let mut band = Vec::new();
        // Several lines of whole cells, or a part of one line.
        for lines in chunks(0..self.lines(), (affordable / height).max(1)) {
            for part in chunks(0..height, affordable) {
                band.clear();
                band.resize(lines.len() * part.len() * row, field.model().values.high);
                report.merge(&self.evaluate(field, z, strategy, &lines, &part, &mut band)?);
                rows(&band)?;
            }
        }
        Ok(report)
    }

    /// Evaluates the rows `part` of all cells in the lines `lines` of cells.
    fn evaluate(
        &self,
        field: &Field,
        z: &[f32],
        strategy: Strategy,
        lines: &Range<usize>,
        part: &Range<usize>,
        band: &mut [f32],
    ) -> Result<Report> {
        let (dim, channels) = (field.model().latent_dim(), field.model().inr.outputs);
        let cells = lines.start * self.columns..(lines.end * self.columns).min(self.cells);
        let row = |n: usize| u32::try_from(n).expect("a cell has u32 rows");
        let grid = self.cell.rows(row(part.start), row(part.len())).supersampled(self.aa);
        let (aa, width) = (self.aa as usize, self.cell.width as usize);
        // Exact without supersampling: the share is then 1.
        let share = 1.0 / (aa * aa) as f32;
        let z = &z[cells.start * dim..cells.end * dim];
        field.evaluate_blocks(z, &Domain::Grid(grid), strategy, &mut |block| {
            let fine_row = width * aa;
            let first = block.points.start / fine_row;
            for (cell, values) in block.latents.zip(block.values.chunks_exact(block.points.len() * channels)) {
                let (line, column) = (cell / self.columns, cell % self.columns);
                for (y, fine) in (first..).zip(values.chunks_exact(fine_row * channels)) {
                    let at = ((line * part.len() + y / aa) * self.columns + column) * width * channels;
                    let pixels = &mut band[at..at + width * channels];
                    if y % aa == 0 {
                        pixels.fill(0.0);
                    }
                    for (pixel, points) in pixels.chunks_exact_mut(channels).zip(fine.chunks_exact(aa * channels)) {
                        for point in points.chunks_exact(channels) {
                            pixel.iter_mut().zip(point).for_each(|(mean, &v)| *mean += v * share);
                        }
                    }
                }
            }
            Ok(())
        })
    }
}
