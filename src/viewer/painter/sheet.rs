//! Thumbnails of the table on one texture.

/// Side of a thumbnail in pixels, and how many stand in a row.
pub(super) const THUMBNAIL: u32 = 32;
pub(super) const COLUMNS: u32 = 32;
/// More latents than this have no thumbnails: the texture would be too large for some adapters.
pub(in crate::viewer) const MOST_THUMBNAILS: usize = 2048;

/// Thumbnails of the first latents, in rows of [`COLUMNS`].
#[derive(Debug)]
pub(in crate::viewer) struct Atlas {
    pub view: wgpu::TextureView,
    pub count: usize,
}

impl Atlas {
    /// Where a latent's thumbnail is, 0 to 1.
    pub(in crate::viewer) fn uv(count: usize, row: usize) -> egui::Rect {
        let lines = (count as f32 / COLUMNS as f32).ceil();
        let (x, y) = ((row % COLUMNS as usize) as f32, (row / COLUMNS as usize) as f32);
        // Half a texel inwards, so that neighbours do not shine through.
        let half = 0.5 / THUMBNAIL as f32;
        let at = |x: f32, y: f32| egui::pos2(x / COLUMNS as f32, y / lines);
        egui::Rect::from_min_max(at(x + half, y + half), at(x + 1.0 - half, y + 1.0 - half))
    }

    /// Size of the texture for so many.
    pub(super) fn size(count: usize) -> [u32; 2] {
        let lines = u32::try_from(count).unwrap_or(u32::MAX).div_ceil(COLUMNS);
        [COLUMNS * THUMBNAIL, lines.max(1) * THUMBNAIL]
    }
}

/// Thumbnails on their way, as texels of four bytes: white where none is yet.
#[derive(Clone)]
pub(super) struct Sheet {
    pub bytes: Vec<u8>,
    /// How many there are to be, and how many there are.
    pub count: usize,
    pub done: usize,
}

impl Sheet {
    pub(super) fn new(count: usize) -> Self {
        let [width, height] = Atlas::size(count);
        Self { bytes: vec![255; (width * height * 4) as usize], count, done: 0 }
    }

    /// The next ones that go into one line, and no more than so many.
    pub(super) fn next(&self, most: usize) -> std::ops::Range<usize> {
        let columns = COLUMNS as usize;
        let line = (self.done / columns + 1) * columns;
        self.done..self.count.min(line).min(self.done + most)
    }

    /// Takes the next `cells`, which go into one line: texels `[THUMBNAIL][cells * THUMBNAIL]`.
    pub(super) fn put(&mut self, cells: usize, texels: &[u8]) {
        let (line, column) = (self.done / COLUMNS as usize, self.done % COLUMNS as usize);
        let side = THUMBNAIL as usize * 4;
        let (stride, row) = (COLUMNS as usize * side, cells * side);
        for (y, texels) in texels.chunks_exact(row).enumerate() {
            let at = (line * THUMBNAIL as usize + y) * stride + column * side;
            self.bytes[at..at + row].copy_from_slice(texels);
        }
        self.done += cells;
    }
}
