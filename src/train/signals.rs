//! What is learned: the pictures or shapes of a family, and at which points a step sees them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rand::{Rng, RngExt};

use super::config::Supervise;
use super::sampling::{Draw, ErrorMap};
use super::slopes;
use super::solids::{Sight, Solids};
use crate::model::{Coordinates, Grid, Model, Solid, ValueRange};
use crate::signal::shape::PointCloud;
use crate::signal::{self, Picture};
use crate::{Error, Result};

/// Named pictures with the same number of channels, and their pixels' coordinates; or named shapes.
#[derive(Clone, Debug)]
pub struct Signals {
    names: Vec<String>,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Pictures {
        pictures: Vec<Picture>,
        grids: Vec<Grid>,
        /// What is learned at each pixel, where that is not its value.
        derivatives: Vec<Picture>,
    },
    Solids(Solids),
}

/// Points that a step sees: for each latent of the batch as many.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    /// `[latents][points][inputs]`
    pub coordinates: Vec<f32>,
    /// `[latents][points][numbers]`: what is learned there; of oriented points of a surface, which are each latent's first,
    /// their normals, and nothing of the others.
    pub values: Vec<f32>,
    /// `[latents][points]`: what each point's loss weighs; empty: 1.
    pub weights: Vec<f32>,
    /// `[latents][points]`: which pixel it is; empty where no weights are.
    pub(super) pixels: Vec<usize>,
}

impl Samples {
    pub(super) fn clear(&mut self) {
        let Self { coordinates, values, weights, pixels } = self;
        [coordinates, values, weights].into_iter().for_each(Vec::clear);
        pixels.clear();
    }
}

/// A latent is found by its signal's name.
fn distinct(names: &[String]) -> Result<()> {
    let mut known = BTreeSet::new();
    match names.iter().find(|name| !known.insert(name.as_str())) {
        Some(name) => Err(Error::invalid(format!(
            "two signals have the name '{name}', but for their endings or folders; rename one"
        ))),
        None => Ok(()),
    }
}

impl Signals {
    /// Loads a picture, or all pictures of a folder in the order of their names, in the model's values. A picture has as
    /// many channels as its file (grey, grey and alpha, RGB, RGB and alpha), unless `channels` says otherwise; pictures
    /// of a folder all have RGB then. Transparency is laid on white where the channels leave no room for it.
    ///
    /// # Errors
    /// Where a file cannot be read or there is none.
    pub fn load(path: &Path, channels: Option<usize>, range: ValueRange, coordinates: Coordinates) -> Result<Self> {
        let files = signal::pictures(path)?;
        let channels = match channels {
            Some(n) => n,
            None if path.is_dir() => 3,
            None => Picture::channels_of(path)?,
        };
        Self::from_files(&files, channels, range, coordinates)
    }

    /// Loads pictures.
    ///
    /// # Errors
    /// Where one cannot be read.
    pub fn from_files(files: &[PathBuf], channels: usize, range: ValueRange, coordinates: Coordinates) -> Result<Self> {
        let pictures = files.iter().map(|f| Picture::load(f, channels, range)).collect::<Result<Vec<_>>>()?;
        let names = files.iter().map(|f| f.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default());
        Self::new(names.collect(), pictures, coordinates)
    }

    /// Pictures under their names.
    ///
    /// # Errors
    /// Where there are none, their channels differ, or two have one name.
    pub fn new(names: Vec<String>, pictures: Vec<Picture>, coordinates: Coordinates) -> Result<Self> {
        let Some(first) = pictures.first() else { return Err(Error::invalid("there are no pictures to learn")) };
        if names.len() != pictures.len() || pictures.iter().any(|p| p.channels != first.channels) {
            return Err(Error::invalid("every picture needs a name and the same channels"));
        }
        distinct(&names)?;
        let grids = pictures.iter().map(|p| coordinates.grid(p.width, p.height, None)).collect::<Result<_>>()?;
        Ok(Self { names, content: Content::Pictures { pictures, grids, derivatives: Vec::new() } })
    }

    /// Width and height of the pictures, where all have the same.
    pub fn size(&self) -> Option<[u32; 2]> {
        let mut sizes = self.pictures().iter().map(|p| [p.width, p.height]);
        let first = sizes.next()?;
        sizes.all(|size| size == first).then_some(first)
    }

    /// Whether these are files of shapes, not of pictures.
    pub fn are_solids(path: &Path) -> bool {
        signal::shape::load::is_shape(path)
    }

    /// Loads a shape, or the shapes of a family (a folder, an `.npz`, molecules), each in a box of its own.
    ///
    /// # Errors
    /// Where a file cannot be read or there is none, or two have one name.
    pub fn load_solids(path: &Path) -> Result<Self> {
        let (names, solids) = Solids::load(path)?;
        distinct(&names)?;
        Ok(Self { names, content: Content::Solids(solids) })
    }

    /// What the signals are as they are to be learned: the derivatives of pictures, or what is known of points in space.
    ///
    /// # Errors
    /// Where a shape does not say that.
    pub(super) fn prepare(&mut self, supervise: Supervise, sight: Sight) -> Result<()> {
        match &mut self.content {
            Content::Pictures { pictures, grids, derivatives } => {
                let all = pictures.iter().zip(&*grids);
                *derivatives = match supervise {
                    Supervise::Value => Vec::new(),
                    Supervise::Gradient => all.map(|(picture, grid)| slopes::gradient(picture, grid)).collect(),
                    Supervise::Laplacian => all.map(|(picture, grid)| slopes::laplacian(picture, grid)).collect(),
                };
                Ok(())
            }
            Content::Solids(solids) => {
                solids.prepare(sight).map_err(|(i, e)| Error::invalid(format!("'{}': {e}", self.names[i])))
            }
        }
    }

    /// Lets points of shapes make room for others, in a run that has drawn so many.
    pub(super) fn renew(&mut self, drawn: u128) -> Result<()> {
        match &mut self.content {
            Content::Pictures { .. } => Ok(()),
            Content::Solids(solids) => solids.renew(drawn),
        }
    }

    /// Takes a model that has a picture's derivatives to the picture itself: divides its values by the scale of what was
    /// learned, and adds the constant that no derivative knows, by which its mean becomes the picture's.
    pub(super) fn integrated(&self, model: &mut Model, supervise: Supervise) -> Result<()> {
        let Content::Pictures { pictures, grids, .. } = &self.content else { return Ok(()) };
        let (picture, grid) = (&pictures[0], grids[0]);
        match supervise {
            Supervise::Value => Ok(()),
            Supervise::Gradient => slopes::integrate(model, picture, grid, slopes::gradient_scale(&grid)),
            Supervise::Laplacian => slopes::integrate(model, picture, grid, slopes::laplacian_scale(&grid)),
        }
    }

    /// Their names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The pictures, in the order of the names; none where the signals are shapes.
    pub fn pictures(&self) -> &[Picture] {
        match &self.content {
            Content::Pictures { pictures, .. } => pictures,
            Content::Solids(_) => &[],
        }
    }

    /// What makes solids of the models of these signals, if they are.
    pub fn solid(&self) -> Option<Solid> {
        match &self.content {
            Content::Pictures { .. } => None,
            Content::Solids(solids) => Some(Solid { frames: solids.frames(), ..Solid::default() }),
        }
    }

    /// So many points on the surface of each shape, in its box; of pictures none.
    ///
    /// # Errors
    /// Where a shape has no surface.
    pub fn surfaces(&self, points: usize, seed: u64) -> Result<Vec<PointCloud>> {
        let Content::Solids(solids) = &self.content else { return Ok(Vec::new()) };
        solids.surfaces(points, seed).map_err(|(i, e)| Error::invalid(format!("'{}': {e}", self.names[i])))
    }

    /// Coordinates of a point.
    pub fn inputs(&self) -> usize {
        match self.content {
            Content::Pictures { .. } => 2,
            Content::Solids(_) => 3,
        }
    }

    /// Values at a point.
    pub fn channels(&self) -> usize {
        self.pictures().first().map_or(1, |p| p.channels)
    }

    fn grids(&self) -> &[Grid] {
        match &self.content {
            Content::Pictures { grids, .. } => grids,
            Content::Solids(_) => &[],
        }
    }

    /// Pixels of the largest picture.
    pub fn most_pixels(&self) -> usize {
        self.grids().iter().map(Grid::points).max().unwrap_or(0)
    }

    /// Points for each of `latents`. Of a picture every pixel, in order, if `points` is 0; else so many of them, evenly spread
    /// over the picture: one from each of `points` runs of consecutive pixels. Every pixel is as likely as any other, as if
    /// all were drawn independently, but the mean over a step's points varies less. Of a shape as its loss has it.
    ///
    /// # Errors
    /// Where all pixels are asked of pictures of different sizes, or all points of a shape.
    pub fn sample(&self, latents: &[usize], points: usize, rng: &mut impl Rng, out: &mut Samples) -> Result<()> {
        out.clear();
        let grids = match &self.content {
            Content::Solids(solids) => return latents.iter().try_for_each(|&i| solids.sample(i, points, rng, out)),
            Content::Pictures { grids, .. } => grids,
        };
        if points == 0 && latents.iter().any(|&i| grids[i].points() != grids[latents[0]].points()) {
            return Err(Error::invalid("all pixels of pictures of different sizes: say how many with --points"));
        }
        for &i in latents {
            let pixels = grids[i].points();
            if points == 0 {
                (0..pixels).for_each(|p| self.push(i, p, out));
                continue;
            }
            let run = pixels as f64 / points as f64;
            for k in 0..points {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in the picture")]
                let p = ((k as f64 + rng.random::<f64>()) * run) as usize;
                self.push(i, p.min(pixels - 1), out);
            }
        }
        Ok(())
    }

    /// `points` for each of `latents`, drawn where its map (one for each picture) says, with weights.
    pub(super) fn sample_errors(
        &self,
        latents: &[usize],
        points: usize,
        maps: &[ErrorMap],
        rng: &mut impl Rng,
        out: &mut Samples,
    ) {
        out.clear();
        for &i in latents {
            maps[i].draw(points, rng, |Draw { pixel, weight }| {
                self.push(i, pixel, out);
                out.weights.push(weight);
                out.pixels.push(pixel);
            });
        }
    }

    /// Nothing known of any picture's errors.
    pub(super) fn error_maps(&self) -> Vec<ErrorMap> {
        self.grids().iter().map(|grid| ErrorMap::new(grid.points())).collect()
    }

    /// Appends a pixel of a picture.
    pub(super) fn push(&self, latent: usize, pixel: usize, out: &mut Samples) {
        let Content::Pictures { pictures, grids, derivatives } = &self.content else { return };
        let (grid, picture) = (&grids[latent], derivatives.get(latent).unwrap_or(&pictures[latent]));
        let width = grid.width as usize;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a grid's sides are u32; points are f32, as kernels take them"
        )]
        {
            let point = grid.point((pixel % width) as u32, (pixel / width) as u32);
            out.coordinates.extend(point.map(|c| c as f32));
        }
        out.values.extend(&picture.values[pixel * picture.channels..][..picture.channels]);
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn two() -> Signals {
        let picture = |width, height, seed: f32| Picture {
            width,
            height,
            channels: 2,
            values: (0..width * height).flat_map(|i| [f32::from(u16::try_from(i).unwrap()), seed]).collect(),
            range: ValueRange::default(),
        };
        let pictures = vec![picture(7, 5, 1.0), picture(3, 4, 2.0)];
        Signals::new(vec!["a".into(), "b".into()], pictures, Coordinates::default()).unwrap()
    }

    #[test]
    fn every_pixel_is_as_likely_as_any_other() {
        let signals = two();
        let (mut rng, mut out) = (ChaCha8Rng::seed_from_u64(1), Samples::default());
        let mut counts = [0_u32; 35];
        for _ in 0..2000 {
            signals.sample(&[0], 8, &mut rng, &mut out).unwrap();
            assert_eq!((out.coordinates.len(), out.values.len()), (16, 16));
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small whole numbers")]
            out.values.iter().step_by(2).for_each(|&v| counts[v as usize] += 1);
        }
        // 16,000 draws over 35 pixels: 457 each, standard deviation below 21.
        assert!(counts.iter().all(|c| (370..545).contains(c)), "{counts:?}");
    }

    #[test]
    fn values_stand_with_their_coordinates() {
        let signals = two();
        let (mut rng, mut out) = (ChaCha8Rng::seed_from_u64(2), Samples::default());
        signals.sample(&[1, 0], 9, &mut rng, &mut out).unwrap();
        let grid = Coordinates::default().grid(3, 4, None).unwrap();
        for (point, value) in out.coordinates.chunks_exact(2).zip(out.values.chunks_exact(2)).take(9) {
            let pixel = (0..12_u8).find(|p| f32::from(*p) == value[0]).unwrap();
            let [x, y] = grid.point(u32::from(pixel % 3), u32::from(pixel / 3));
            assert!((f64::from(point[0]) - x).abs() < 1e-6 && (f64::from(point[1]) - y).abs() < 1e-6);
            assert!((value[1] - 2.0).abs() < 1e-6);
        }
        // All pixels of unequal pictures are no batch.
        assert!(signals.sample(&[0, 1], 0, &mut rng, &mut out).is_err());
        signals.sample(&[1], 0, &mut rng, &mut out).unwrap();
        assert_eq!(out.values.len(), 24);
    }
}
