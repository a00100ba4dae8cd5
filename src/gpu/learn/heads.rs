//! The part of a step that grows with its latents: from the gradient with respect to theta to those of heads, trunks and
//! latents.

use std::collections::BTreeMap;

use bytemuck::{Pod, Zeroable};
use serde::Serialize;

use super::plan::Room;
use super::script::Script;
use crate::Result;
use crate::gpu::arena::index;
use crate::gpu::field::Page;
use crate::gpu::generate::Batch;
use crate::gpu::layout::{ActivationCode, Kind, Map, NO_ACTIVATION, Pass, Placed};
use crate::gpu::{Buffer, Field, Use};
use crate::model::NORM_EPSILON;

/// Inputs of a map that an invocation of `map-gradient.wgsl` takes.
const COLUMNS: u32 = 8;
/// Latents that it stages at a time.
const CHUNK: u32 = 32;
/// Latents that a workgroup of `map-vjp.wgsl` takes, where there are several.
const LATENTS: u32 = 8;
/// Numbers that maps read, of which it then makes the gradients.
const NUMBERS: u32 = 4;

/// The template values of the kernels of maps and trunks.
#[derive(Clone, Debug, Serialize)]
pub(super) struct MapSpec {
    in_place: bool,
    gradients: bool,
    columns: u32,
    chunk: u32,
    latents: u32,
    numbers: u32,
}

impl MapSpec {
    pub(super) fn new(in_place: bool, many: bool) -> Self {
        let (latents, numbers) = if many { (LATENTS, NUMBERS) } else { (1, 1) };
        Self { in_place, gradients: true, columns: COLUMNS, chunk: CHUNK, latents, numbers }
    }
}

/// The template values of `trunk-vjp.wgsl`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct TrunkSpec {
    norms: bool,
    slopes: bool,
    activations: Vec<ActivationCode>,
    no_activation: u32,
    epsilon: f64,
}

impl TrunkSpec {
    pub(super) fn new(norms: bool, activations: Vec<ActivationCode>) -> Self {
        Self { norms, slopes: true, activations, no_activation: NO_ACTIVATION, epsilon: NORM_EPSILON }
    }
}

/// The template values of `low-rank-gradient.wgsl`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct LowRankSpec {
    stage: &'static str,
    kinds: [&'static str; 1],
    generated_access: &'static str,
    encoding: &'static str,
}

impl LowRankSpec {
    pub(super) const STAGES: [&'static str; 3] = ["norms", "base", "factors"];

    pub(super) fn new(stage: &'static str) -> Self {
        Self { stage, kinds: [Kind::LowRank.file()], generated_access: "read", encoding: "identity" }
    }
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
struct Finish {
    start: u32,
    count: u32,
    normalised: u32,
    weight: u32,
    bias: u32,
    activation: u32,
    parameters: [f32; 2],
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
struct Source {
    start: u32,
    stride: u32,
    count: u32,
    first: u32,
    end: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
struct Reader {
    matrix: u32,
    length: u32,
    destination: u32,
    input: u32,
}

/// What is written down for a block of latents.
pub(super) struct Block<'a> {
    pub script: &'a mut Script,
    pub field: &'a Field,
    pub room: &'a Room,
    /// Gradients of the parameters.
    pub gradients: &'a [Buffer],
    /// Whether only the latents' are wanted.
    pub frozen: bool,
    pub latents: u32,
    /// Whether the sums over earlier blocks stay.
    pub accumulate: bool,
}

impl Block<'_> {
    /// Writes down everything after the last chunk of points.
    pub(super) fn write(&mut self) -> Result<()> {
        let layout = &self.field.layout;
        self.shared()?;
        self.low_rank()?;
        self.script.clear(&self.room.row_gradients);
        self.maps(&layout.materialised.maps, false)?;
        for pass in layout.trunk_passes.iter().rev() {
            self.finishes(pass)?;
            self.maps(&pass.maps, true)?;
        }
        Ok(())
    }

    fn kernel(
        &mut self,
        file: &str,
        spec: &impl Serialize,
        words: &[u32],
        bound: &[(usize, &Buffer)],
        groups: [u32; 3],
    ) -> Result<()> {
        let ctx = &self.field.ctx;
        let uniform = ctx.uniform(file, words)?;
        let mut all = vec![(0, &uniform)];
        all.extend_from_slice(bound);
        self.script.kernel(ctx, file, spec, &all, groups)?;
        self.script.hold(uniform);
        Ok(())
    }

    fn table<T: bytemuck::NoUninit>(&self, entries: &[T]) -> Result<Buffer> {
        self.field.ctx.upload("table", entries, Use::Other)
    }

    fn shared(&mut self) -> Result<()> {
        let segments = &self.room.rows.shared;
        let (false, Some(longest)) = (self.frozen, segments.iter().map(|s| s.length).max()) else { return Ok(()) };
        let table = self.table(segments)?;
        let words = [self.latents, self.room.rows.gradient_stride, u32::from(self.accumulate), 0];
        let bound = [(1, &table), (2, &self.room.gradients), (3, &self.gradients[0])];
        let groups = [longest.div_ceil(64), index(segments.len())?, 1];
        self.kernel("shared-gradient.wgsl", &(), &words, &bound, groups)?;
        self.script.hold(table);
        Ok(())
    }

    fn low_rank(&mut self) -> Result<()> {
        let fills = &self.field.layout.materialised.fills;
        let (Some(generated), false) = (&self.room.generated, fills.is_empty()) else { return Ok(()) };
        let table = self.table(fills)?;
        let plan = &self.field.layout.materialised;
        let words = [plan.stride, self.room.rows.gradient_stride, self.latents, u32::from(self.accumulate)];
        let most = |f: &dyn Fn(&crate::gpu::layout::Fill) -> u32| fills.iter().map(f).max().unwrap_or(0);
        let rows = most(&|f| f.tensor.rows4);
        let length = most(&|f| f.tensor.length);
        let factors = most(&|f| f.tensor.feature_count * (4 * f.tensor.rows4 + f.inputs));
        let gradients = &self.room.gradients;
        for stage in LowRankSpec::STAGES {
            let mut bound = vec![(1, &table), (3, generated), (4, gradients)];
            let (elements, latents) = match stage {
                "norms" => (rows, self.latents),
                "base" => (length, 1),
                _ => (factors, self.latents),
            };
            if stage != "factors" {
                bound.push((2, &self.field.parameters));
            }
            if stage == "base" {
                bound.push((5, &self.gradients[0]));
            }
            let groups = [elements.div_ceil(64), latents, index(fills.len())?];
            self.kernel("low-rank-gradient.wgsl", &LowRankSpec::new(stage), &words, &bound, groups)?;
        }
        self.script.hold(table);
        Ok(())
    }

    /// What trunk layers do after their maps.
    fn finishes(&mut self, pass: &Pass) -> Result<()> {
        let layers = self.field.model.hypernetwork.trunks.iter().flat_map(|t| &t.layers);
        let activations = ActivationCode::list(layers.filter_map(|l| l.activation.as_ref()));
        let activated = pass.maps.iter().filter(|p| p.map.activation < NO_ACTIVATION);
        let mut finishes: Vec<Finish> = activated
            .map(|Placed { map, .. }| Finish {
                start: 4 * map.destination,
                count: 4 * map.length,
                normalised: 0,
                weight: 0,
                bias: 0,
                activation: map.activation,
                parameters: map.parameters,
            })
            .collect();
        finishes.extend(pass.norms.iter().map(|n| Finish {
            start: n.start,
            count: n.count,
            normalised: 1,
            weight: n.weight,
            bias: n.bias,
            activation: n.activation,
            parameters: n.parameters,
        }));
        if finishes.is_empty() {
            return Ok(());
        }
        let room = self.room;
        let norms = !pass.norms.is_empty();
        let table = self.table(&finishes)?;
        let words = [self.field.layout.row_stride, 0, 0, 0];
        let mut bound = vec![(1, &table), (2, &room.mapped), (3, &room.row_gradients)];
        if norms {
            bound.extend([(4, &self.field.parameters), (5, &room.bias_gradients)]);
        }
        let groups = [self.latents, index(finishes.len())?, 1];
        self.kernel("trunk-vjp.wgsl", &TrunkSpec::new(norms, activations), &words, &bound, groups)?;
        self.script.hold(table);
        if norms && !self.frozen {
            let entries: Vec<[u32; 4]> = pass.norms.iter().map(|n| [n.start, n.count, n.weight, n.bias]).collect();
            let table = self.table(&entries)?;
            let words = [self.latents, self.field.layout.row_stride, u32::from(self.accumulate), 0];
            let bound = [(1, &table), (2, &room.mapped), (3, &room.bias_gradients), (4, &self.gradients[0])];
            let longest = pass.norms.iter().map(|n| n.count).max().unwrap_or(0);
            self.kernel("norm-gradient.wgsl", &(), &words, &bound, [longest.div_ceil(64), index(entries.len())?, 1])?;
            self.script.hold(table);
        }
        Ok(())
    }

    /// Maps: of trunk layers (`in_place`: what they write stands in the rows) or of heads.
    fn maps(&mut self, maps: &[Placed], in_place: bool) -> Result<()> {
        let (layout, room) = (&self.field.layout, self.room);
        let spec = MapSpec::new(in_place, self.latents > 1);
        for (page, Page { buffer: weights, .. }) in self.field.pages.iter().enumerate() {
            let maps: Vec<Map> = maps.iter().filter(|p| p.page == page).map(|p| p.map).collect();
            let (Some(longest), Some(inputs)) =
                (maps.iter().map(|m| m.length).max(), maps.iter().map(|m| m.inputs).max())
            else {
                continue;
            };
            let batch = Batch {
                end: self.latents,
                latent_stride: layout.latent_stride,
                row_stride: layout.row_stride,
                target_stride: room.rows.gradient_stride,
                gradient_stride: layout.row_stride,
                accumulate: u32::from(self.accumulate),
                ..Batch::zeroed()
            };
            let written = if in_place { &room.row_gradients } else { &room.gradients };
            if !self.frozen {
                let table = self.table(&maps)?;
                let words: [u32; 8] = bytemuck::cast(batch);
                let gradient = &self.gradients[page + 1];
                let bound = [(1, &table), (3, &room.latents), (4, &room.features), (5, written), (6, gradient)];
                let groups = [longest.div_ceil(64), (inputs + 1).div_ceil(COLUMNS), index(maps.len())?];
                self.kernel("map-gradient.wgsl", &spec, &words, &bound, groups)?;
                self.script.hold(table);
            }
            let (sources, readers) = self.readers(&maps)?;
            let (table, list) = (self.table(&sources)?, self.table(&readers)?);
            let words = [batch.end, batch.target_stride, batch.gradient_stride, 0];
            let mut bound = vec![(1, &table), (2, &list), (3, weights), (4, &room.row_gradients)];
            if !in_place {
                bound.push((5, &room.gradients));
            }
            let widest = sources.iter().map(|s| s.count).max().unwrap_or(0);
            let groups = [widest.div_ceil(spec.numbers), self.latents.div_ceil(spec.latents), index(sources.len())?];
            self.kernel("map-vjp.wgsl", &spec, &words, &bound, groups)?;
            self.script.hold(table);
            self.script.hold(list);
        }
        Ok(())
    }

    /// What the maps read, each with the maps that read it.
    fn readers(&self, maps: &[Map]) -> Result<(Vec<Source>, Vec<Reader>)> {
        let layout = &self.field.layout;
        // A trunk without layers has the latent itself for features.
        let latent = self.room.latent_gradients;
        let start = |place: u32| if layout.identity.contains(&(place as usize)) { latent } else { place };
        let mut read: BTreeMap<u32, (u32, Vec<Reader>)> = BTreeMap::new();
        for map in maps {
            for (start, count, input) in
                [(start(map.source), map.previous, 0), (latent, map.inputs - map.previous, map.previous)]
            {
                if count > 0 {
                    let reader = Reader { matrix: map.matrix, length: map.length, destination: map.destination, input };
                    read.entry(start).or_insert((count, Vec::new())).1.push(reader);
                }
            }
        }
        let (mut sources, mut readers) = (Vec::new(), Vec::new());
        for (start, (count, these)) in read {
            let first = index(readers.len())?;
            readers.extend(these);
            let stride = if start == latent { layout.latent_stride } else { layout.row_stride };
            sources.push(Source { start, stride, count, first, end: index(readers.len())? });
        }
        Ok((sources, readers))
    }
}
