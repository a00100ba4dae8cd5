//! Rays followed from start to end by one kernel, where all weights of the INR fit into workgroup memory.

use std::sync::Arc;
use std::time::Instant;

use half::f16;
use serde::Serialize;

use super::{AMPLE_BYTES, End, Ends, MarchSpec, Rules, Track, Walk, affordable_rays, learn};
use crate::Result;
use crate::gpu::layout::ActivationCode;
use crate::gpu::{Buffer, Context, Use};
use crate::model::{Encoding, Model, Source};

/// The widest layer whose sums stay in an invocation's registers.
const WIDEST: usize = 32;
/// Values that a ray is expected to take by steps of its own choice: by these the rays of a dispatch are limited in number.
const EXPECTED: f64 = 32.0;

/// The template values of `march-whole.wgsl`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct WholeSpec {
    #[serde(flatten)]
    march: MarchSpec,
    hidden: usize,
    /// The layers that carry the residual stream, layer l as bit l.
    stream: u32,
    /// vec4s of the widest layer's outputs.
    rows4: usize,
    /// vec4s in workgroup memory, and weights of four outputs there.
    vectors: usize,
    weights: usize,
    /// Whether a weight is half a number.
    packed: bool,
    /// Invocations of a workgroup, and its memory in bytes.
    threads: u32,
    bytes: usize,
    activations: Vec<ActivationCode>,
    slopes: bool,
    curvatures: bool,
}

impl WholeSpec {
    /// For a single INR whose weights fit into so many bytes, as they are or as halves of 16 bits.
    pub(super) fn new(model: &Model, walk: Walk, memory: u32) -> Option<Self> {
        let inr = &model.inr;
        let hidden = inr.hidden.len();
        let rows4 = inr.max_width().div_ceil(4);
        let plain = inr.encoding == Encoding::Identity && !inr.hidden.iter().any(|layer| layer.skip);
        let shared = model.hypernetwork.heads.iter().all(|head| {
            let learned = |source: &Source<f32>| matches!(source, Source::Shared(_));
            learned(&head.weight) && learned(&head.bias) && head.modulation.is_none()
        });
        if (inr.inputs, inr.outputs) != (3, 1) || !plain || !shared || inr.max_width() > WIDEST {
            return None;
        }
        let vectors = hidden + (hidden + 1) * rows4 + 1;
        let weights = (3 + (hidden - 1) * 4 * rows4) * rows4;
        // Halves cost accuracy: only where there is no more memory than every adapter has. Fewer invocations idle where
        // subgroups are wide.
        let shapes = [(false, 64), (false, 32), (true, 64), (true, 32)];
        let bytes = |(packed, threads): (bool, u32)| {
            16 * (vectors + rows4 * threads as usize) + weights * if packed { 8 } else { 16 }
        };
        let fits = |&shape: &(bool, u32)| bytes(shape) <= memory as usize && !(shape.0 && memory >= AMPLE_BYTES);
        let (packed, threads) = shapes.into_iter().find(fits)?;
        Some(Self {
            march: MarchSpec::new(walk, false, 0),
            hidden,
            stream: inr.stream_mask(),
            rows4,
            vectors,
            weights,
            packed,
            threads,
            bytes: bytes((packed, threads)),
            activations: ActivationCode::list(inr.hidden.iter().map(|l| &l.activation)),
            slopes: false,
            curvatures: false,
        })
    }

    /// The model's numbers as the kernel has them: vectors, and weights by input.
    fn numbers(&self, model: &Model) -> [Vec<f32>; 2] {
        let width = 4 * self.rows4;
        let (mut vectors, mut biases, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        let padded = |values: &[f32], to: &mut Vec<f32>| {
            to.extend(values);
            to.resize(to.len().next_multiple_of(width), 0.0);
        };
        for (head, shape) in model.hypernetwork.heads.iter().zip(model.inr.layers()) {
            let [Source::Shared(weight), Source::Shared(bias)] = [&head.weight, &head.bias] else { continue };
            let Some(activation) = shape.activation else {
                padded(weight, &mut biases);
                biases.extend([bias[0], 0.0, 0.0, 0.0]);
                continue;
            };
            let [a, b] = activation.parameters();
            vectors.extend([ActivationCode::of(&activation).code as f32, a, b, 0.0]);
            padded(bias, &mut biases);
            // The first layer has three inputs, the others as many as all layers are padded to.
            let inputs = if shape.previous == 0 { shape.inputs } else { width };
            for k in 0..inputs {
                let column: Vec<f32> = match k {
                    k if k < shape.inputs => weight.iter().skip(k).step_by(shape.inputs).copied().collect(),
                    _ => vec![0.0; width],
                };
                padded(&column, &mut weights);
            }
        }
        vectors.append(&mut biases);
        [vectors, weights]
    }
}

/// Follows rays through one tiny INR.
#[derive(Debug)]
pub(super) struct Whole {
    ctx: Arc<Context>,
    model: Arc<Model>,
    /// Bytes of workgroup memory that there may be.
    memory: u32,
    /// Multiply-adds of a value.
    macs: f64,
    pub(super) capacity: usize,
    rules: Buffer,
    tracks: Buffer,
    outcomes: Buffer,
    vectors: Buffer,
    weights: Buffer,
    staging: Buffer,
}

impl Whole {
    /// One for so many rays, if the model's weights fit into so many bytes of workgroup memory.
    pub(super) fn fitting(
        ctx: &Arc<Context>,
        model: &Arc<Model>,
        capacity: usize,
        memory: u32,
    ) -> Result<Option<Self>> {
        let Some(spec) = WholeSpec::new(model, Walk::Spheres, memory) else { return Ok(None) };
        let storage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let buffer = |label, bytes: usize, usage| ctx.buffer(label, bytes as u64, usage, Use::Other);
        let [vectors, weights] = spec.numbers(model);
        let weights = if spec.packed {
            let halves: Vec<u16> = weights.iter().map(|&w| f16::from_f32(w).to_bits()).collect();
            ctx.upload("a tiny model's weights", &halves, Use::Model)?
        } else {
            ctx.upload("a tiny model's weights", &weights, Use::Model)?
        };
        Ok(Some(Self {
            rules: buffer("rules", size_of::<Rules>(), wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST)?,
            tracks: buffer("rays", capacity * size_of::<Track>(), storage)?,
            outcomes: buffer("what rays found", capacity * size_of::<End>(), storage)?,
            vectors: ctx.upload("a tiny model's vectors", &vectors, Use::Model)?,
            weights,
            staging: ctx.staging((capacity * size_of::<End>()) as u64)?,
            ctx: Arc::clone(ctx),
            model: Arc::clone(model),
            memory,
            macs: model.inr.macs_per_point() as f64,
            capacity,
        }))
    }

    pub(super) fn follow(&self, walk: Walk, rules: &Rules, tracks: &[Track]) -> Result<Ends> {
        let spec = WholeSpec::new(&self.model, walk, self.memory).expect("it fitted before");
        let pipeline = self.ctx.pipeline("march-whole.wgsl", &spec)?;
        let bound = [&self.rules, &self.tracks, &self.vectors, &self.weights, &self.outcomes];
        let bound = bound.iter().enumerate().map(|(i, buffer)| (i, buffer.binding()));
        let bind_group = self.ctx.bind_group("march", &pipeline, bound);
        self.ctx.check()?;
        let expected = match walk {
            Walk::Equal => {
                let longest = tracks.iter().map(|track| track.length).fold(0.0, f32::max);
                f64::from(longest / rules.step) + f64::from(rules.polishes)
            }
            Walk::Spheres | Walk::Light => EXPECTED,
        };
        let mut all = Ends::default();
        let mut rest = tracks;
        while !rest.is_empty() {
            let affordable = affordable_rays(&self.ctx, self.macs * expected);
            let count = affordable.min(self.capacity).min(rest.len());
            let (now, later) = rest.split_at(count);
            rest = later;
            let started = Instant::now();
            let rays = u32::try_from(count).expect("no more than the capacity");
            self.ctx.queue().write_buffer(self.rules.raw(), 0, bytemuck::bytes_of(&Rules { rays, ..*rules }));
            self.ctx.queue().write_buffer(self.tracks.raw(), 0, bytemuck::cast_slice(now));
            let label = Some("march");
            let mut encoder = self.ctx.device().create_command_encoder(&wgpu::CommandEncoderDescriptor { label });
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label, timestamp_writes: None });
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &bind_group, &[]);
            pass.dispatch_workgroups(rays.div_ceil(spec.threads), 1, 1);
            drop(pass);
            let bytes = (count * size_of::<End>()) as u64;
            encoder.copy_buffer_to_buffer(self.outcomes.raw(), 0, self.staging.raw(), 0, Some(bytes));
            self.ctx.queue().submit([encoder.finish()]);
            let before = all.values;
            self.ctx.map(&self.staging, bytes, |view| {
                let ends: &[End] = bytemuck::cast_slice(view);
                all.values += ends.iter().map(|end| u64::from(end.steps())).sum::<u64>();
                all.ends.extend_from_slice(ends);
            })?;
            learn(&self.ctx, (all.values - before) as f64 * self.macs, started.elapsed());
            all.waits += 1;
        }
        Ok(all)
    }
}

/// For [`crate::gpu::shader::kernels`]: what fits WebGPU's default limits.
pub(super) fn kernels() -> Vec<(String, String)> {
    use crate::gpu::shader::link;
    use crate::model::Inr;
    let mut kernels = Vec::new();
    let residual = {
        let mut inr = Inr::siren(3, 20, 3, 1, 30.0);
        inr.hidden[2].residual = true;
        inr
    };
    let sirens = [(32, 5), (13, 2), (7, 1)].map(|(width, depth)| Inr::siren(3, width, depth, 1, 30.0));
    for inr in sirens.into_iter().chain([residual]) {
        let model = Model::random_siren(inr, 0);
        for walk in Walk::ALL {
            let spec = WholeSpec::new(&model, walk, 16 << 10).expect("it is tiny");
            kernels.push((format!("march {spec:?}"), link("march-whole.wgsl", &spec)));
        }
    }
    kernels
}

#[cfg(test)]
mod tests {
    use super::super::rounds::Rounds;
    use super::super::rounds::tests::{rules, tracks};
    use super::*;
    use crate::gpu::{Field, adapters};
    use crate::model::{Activation, HiddenLayer, Inr};

    /// One whose values are on either side of 0.
    fn model(inr: Inr, seed: u64) -> Arc<Model> {
        let mut model = Model::random_siren(inr, seed);
        let heads = &mut Arc::make_mut(&mut model.hypernetwork).heads;
        heads.last_mut().unwrap().bias = Source::Shared(vec![0.0]);
        Arc::new(model)
    }

    /// Two residual blocks.
    fn blocks() -> Vec<HiddenLayer> {
        let layer =
            |l| HiddenLayer { residual: l == 2 || l == 4, ..HiddenLayer::new(10, Activation::Sine { omega: 9.0 }) };
        (0..5).map(layer).collect()
    }

    #[test]
    fn one_kernel_finds_what_rounds_find() {
        let show_piece = model(Inr::siren(3, 32, 5, 1, 12.0), 2);
        assert_eq!(show_piece.inr.weight_count(), 4385);
        let sizes =
            [(13, Activation::Sine { omega: 9.0 }), (6, Activation::Gaussian { scale: 2.0 }), (9, Activation::Tanh)];
        let hidden = sizes.map(|(width, activation)| HiddenLayer::new(width, activation)).to_vec();
        let odd = model(Inr { hidden, ..Inr::siren(3, 1, 1, 1, 1.0) }, 7);
        let single = model(Inr::siren(3, 7, 1, 1, 9.0), 4);
        let mut residual = model(Inr { hidden: blocks(), ..Inr::siren(3, 1, 1, 1, 1.0) }, 5);
        for head in &mut Arc::make_mut(&mut Arc::make_mut(&mut residual).hypernetwork).heads {
            // Those that start at 0.
            if let Source::Shared(weight) = &mut head.weight
                && weight.iter().all(|&w| w == 0.0)
            {
                weight.iter_mut().enumerate().for_each(|(i, w)| *w = 0.05 * (i as f32).sin());
            }
        }
        let cases = [
            (&show_piece, AMPLE_BYTES, &[Walk::Spheres][..]),
            (&show_piece, AMPLE_BYTES / 2, &[Walk::Spheres]),
            (&odd, AMPLE_BYTES / 2, &[Walk::Spheres, Walk::Light]),
            (&single, AMPLE_BYTES / 2, &[Walk::Equal]),
            (&residual, AMPLE_BYTES, &[Walk::Spheres]),
        ];
        let tracks = tracks(201);
        for adapter in 0..adapters().len() {
            let ctx = Context::named(&adapter.to_string()).unwrap();
            for (model, memory, walks) in cases {
                let field = Field::new(&ctx, model).unwrap();
                let mut rounds = Rounds::new(&field, 256).unwrap();
                // With fewer rays at a time than there are.
                let whole = Whole::fitting(&ctx, model, 64, memory).unwrap().unwrap();
                let spec = WholeSpec::new(model, Walk::Light, memory).unwrap();
                for &walk in walks {
                    let expected = rounds.follow(walk, &rules(), &tracks).unwrap();
                    let found = whole.follow(walk, &rules(), &tracks).unwrap();
                    assert_eq!(found.ends.len(), 201);
                    let hits = expected.ends.iter().filter(|end| end.hit() && !end.cut()).count();
                    let pairs = || expected.ends.iter().zip(&found.ends);
                    let differ = pairs().filter(|(a, b)| (a.hit(), a.cut()) != (b.hit(), b.cut())).count();
                    let both = pairs().filter(|(a, b)| walk == Walk::Light || (a.hit() && b.hit()));
                    let apart = both.map(|(a, b)| (a.at - b.at).abs()).fold(0.0, f32::max);
                    println!(
                        "{} {} in {} bytes, {walk:?}: {hits} hits after a way, {differ} of one only, {apart:.1e} apart, {} \
                         values for {}",
                        ctx.summary().name,
                        model.inr,
                        spec.bytes,
                        found.values,
                        expected.values
                    );
                    // Halves move the surface by as much as they change values, over its slope.
                    let (most, far) = if spec.packed { (6, 0.05) } else { (0, 1e-4) };
                    assert!(differ <= most && apart <= far);
                    assert!((found.values as f64 / expected.values as f64 - 1.0).abs() < 0.03);
                    assert!(walk == Walk::Light || hits > 9);
                }
            }
        }
        assert!(WholeSpec::new(&model(Inr::siren(3, 33, 1, 1, 9.0), 0), Walk::Equal, AMPLE_BYTES).is_none());
        assert!(WholeSpec::new(&model(Inr::siren(3, 32, 10, 1, 9.0), 0), Walk::Equal, AMPLE_BYTES).is_none());
    }
}
