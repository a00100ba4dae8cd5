//! A model resident on a GPU, and what has been generated from some of its latents.

use std::sync::Arc;

use super::arena::halves;
use super::generate::Generation;
use super::layout::{Layer, Layout, Placed, Plan, Tensor};
use super::memory::{Buffer, Use};
use super::tile::Asked;
use super::timing::Stopwatch;
use super::{Context, TileSpace, generate};
use crate::Result;
use crate::measure::{Timings, Work};
use crate::model::{Jet, Model};

/// What a batch of latents may take of each buffer: with more, nothing is faster.
const BATCH_BYTES: u64 = 256 << 20;

/// A model whose parameters lie in GPU memory.
#[derive(Debug)]
pub struct Field {
    pub(super) ctx: Arc<Context>,
    pub(super) model: Arc<Model>,
    pub(super) layout: Layout,
    /// What evaluation reads of the model.
    pub(super) parameters: Buffer,
    /// Trunks and heads, in as many bindings as they need.
    pub(super) pages: Vec<Page>,
    pub(super) materialised_layers: Buffer,
    pub(super) fused_layers: Buffer,
}

/// Numbers of trunks and heads.
#[derive(Debug)]
pub(super) struct Page {
    pub buffer: Buffer,
    /// Whether they are halves of 16 bits there.
    pub packed: bool,
}

/// A batch of latents on the GPU: their features, and what the heads generated from them beforehand.
#[derive(Debug)]
pub struct Codes {
    /// Number of latents.
    pub batch: usize,
    pub(super) fused: bool,
    /// Rows of `row_stride` numbers; None where nothing is generated.
    pub(super) features: Option<Buffer>,
    /// Rows of the plan's `stride` vec4s: all of theta if materialised; vectors and factors only if fused.
    pub(super) generated: Option<Buffer>,
    /// Time spent on generating.
    pub timings: Timings,
}

impl Codes {
    /// What the heads generated beforehand, if anything: rows of the layout's own.
    pub(crate) fn generated(&self) -> Option<&Buffer> {
        self.generated.as_ref()
    }
}

impl Field {
    /// Uploads a model. Trunks and heads whose numbers are halves of 16 bits, as a file in f16 has them, stay that: they take half of the
    /// memory, and nothing that is computed from them changes.
    ///
    /// # Errors
    /// Where it does not fit the adapter's limits or memory.
    pub fn new(ctx: &Arc<Context>, model: &Arc<Model>) -> Result<Self> {
        Self::uploaded(ctx, model, true)
    }

    /// As [`Field::new`], all numbers in 32 bits: learning changes them in place.
    pub(super) fn of_floats(ctx: &Arc<Context>, model: &Arc<Model>) -> Result<Self> {
        Self::uploaded(ctx, model, false)
    }

    fn uploaded(ctx: &Arc<Context>, model: &Arc<Model>, pack: bool) -> Result<Self> {
        const LABEL: &str = "the model's parameters";
        let lay_out = |binding| {
            let (layout, numbers) = Layout::new(model, binding)?;
            let packed: Vec<_> = numbers.pages.iter().map(|page| if pack { halves(page) } else { None }).collect();
            Ok::<_, crate::Error>((layout, numbers, packed))
        };
        let binding = ctx.largest_binding();
        let (mut layout, mut numbers, mut packed) = lay_out(binding)?;
        if packed.len() > 1 && packed.iter().all(Option::is_some) {
            // A binding holds twice as many halves.
            (layout, numbers, packed) = lay_out(2 * binding)?;
        }
        let page = |(numbers, halves): (&Vec<f32>, &Option<Vec<u16>>)| {
            let buffer = match halves {
                Some(halves) => ctx.upload(LABEL, halves, Use::Model),
                None => ctx.upload(LABEL, numbers, Use::Model),
            };
            Ok(Page { buffer: buffer?, packed: halves.is_some() })
        };
        let pages: Vec<Page> = numbers.pages.iter().zip(&packed).map(page).collect::<Result<_>>()?;
        layout.fused.packed = pages.first().is_some_and(|p| p.packed);
        let table = |layers: &[Layer]| ctx.uniform("layers", layers);
        Ok(Self {
            parameters: ctx.upload(LABEL, &numbers.parameters, Use::Model)?,
            pages,
            materialised_layers: table(&layout.materialised.layers)?,
            fused_layers: table(&layout.fused.layers)?,
            layout,
            ctx: Arc::clone(ctx),
            model: Arc::clone(model),
        })
    }

    /// What evaluation reads of the model, then the pages.
    pub(super) fn buffers(&self) -> impl Iterator<Item = &Buffer> {
        std::iter::once(&self.parameters).chain(self.pages.iter().map(|p| &p.buffer))
    }

    /// The device this model is on.
    pub fn context(&self) -> &Arc<Context> {
        &self.ctx
    }

    /// Runs trunks and, unless `fused`, heads for a batch of latents (`z`: `batch x latent_dim`).
    ///
    /// # Errors
    /// Where theta does not fit one buffer, the heads are to be fused but fill several, or the device fails.
    pub fn prepare(&self, z: &[f32], batch: usize, fused: bool) -> Result<Codes> {
        generate::prepare(self, z, batch, fused)
    }

    /// As [`Field::prepare`], without waiting: what is submitted later finds the codes ready. `stopwatch` starts; what it
    /// was started for before must have been taken.
    ///
    /// # Errors
    /// As [`Field::prepare`].
    pub fn start(&self, z: &[f32], batch: usize, fused: bool, stopwatch: &mut Stopwatch) -> Result<Codes> {
        generate::start(self, z, batch, fused, stopwatch)
    }

    /// Whether the heads can be fused here: linear ones that fill more than one binding cannot.
    pub fn fusible(&self) -> bool {
        self.layout.fusible()
    }

    /// The work of evaluating so many latents at so many points each.
    pub fn work(&self, latents: usize, points: usize, fused: bool) -> Work {
        let plan = self.plan(fused).0;
        let tile =
            self.ctx.tiling().tile(&self.model.inr, plan, Asked { latents, points, jet: Jet::Value, half: true });
        let tiles = (latents.next_multiple_of(tile.slots) * points.div_ceil(tile.points_per_group)) as f64;
        let batch = latents as f64;
        let macs = |p: &Placed| f64::from(p.map.inputs) * f64::from(p.map.length) * 4.0;
        let weights = |t: &Tensor| f64::from(t.length) * 4.0;
        let passes = &self.layout.trunk_passes;
        let trunks: f64 = passes.iter().flat_map(|p| &p.maps).map(macs).sum();
        let dispatches = passes.len() + passes.iter().filter(|p| !p.norms.is_empty()).count();
        let others = [!plan.maps.is_empty(), !plan.fills.is_empty(), true];
        Work {
            dispatches: (dispatches + others.iter().filter(|&&o| o).count()) as f64,
            generated: generate::products_of(latents) * (trunks + plan.maps.iter().map(macs).sum::<f64>()),
            written: batch
                * plan.fills.iter().map(|f| weights(&f.tensor) * (1.0 + f.tensor.macs_per_weight())).sum::<f64>(),
            evaluated: tiles * (tile.points_per_group * self.model.inr.macs_per_point()) as f64,
            loaded: tiles * plan.layers.iter().map(|l| weights(&l.weight)).sum::<f64>(),
            filled: tiles * plan.layers.iter().map(|l| weights(&l.weight) * l.weight.macs_per_weight()).sum::<f64>(),
        }
    }

    /// The tiles that the evaluation of so many latents at so many points of a grid each could have.
    pub fn tile_space(&self, latents: usize, points: usize, jet: Jet, fused: bool) -> TileSpace {
        self.ctx.tiling().space(&self.model.inr, self.plan(fused).0, Asked { latents, points, jet, half: true })
    }

    /// The most latents that should be prepared at once: what is generated from them, and their features, take no more than 256 MiB
    /// each, and fit a binding.
    pub fn latents_at_once(&self, fused: bool) -> usize {
        let Layout { row_stride, latent_stride, .. } = self.layout;
        let each = u64::from(self.plan(fused).0.stride) * 16;
        let each = each.max(u64::from(row_stride.max(latent_stride)) * 4);
        let bytes = self.ctx.largest_binding().min(BATCH_BYTES);
        usize::try_from((bytes / each.max(1)).max(1)).unwrap_or(usize::MAX)
    }

    /// What a strategy generates beforehand, and its table of layers.
    pub(super) fn plan(&self, fused: bool) -> (&Plan, &Buffer) {
        if fused {
            (&self.layout.fused, &self.fused_layers)
        } else {
            (&self.layout.materialised, &self.materialised_layers)
        }
    }

    /// As [`Field::prepare`], without running it: to be recorded into passes of the caller's, as often as one likes.
    ///
    /// # Errors
    /// As [`Field::prepare`].
    pub fn generation(&self, z: &[f32], batch: usize, fused: bool) -> Result<Generation> {
        generate::plan(self, z, batch, fused)
    }

    /// Reads back materialised parameters, per latent in the order of
    /// [`Hypernetwork::materialise`](crate::model::Hypernetwork::materialise).
    ///
    /// # Errors
    /// Where the codes were not materialised, or the device fails.
    pub fn theta(&self, codes: &Codes) -> Result<Vec<f32>> {
        if codes.fused {
            return Err(crate::Error::invalid("these codes are fused: their weights were never written"));
        }
        let unpack = |row: &[f32]| self.layout.unpack_theta(&self.model, row);
        let Some(generated) = &codes.generated else {
            return Ok((0..codes.batch).flat_map(|_| unpack(&[])).collect());
        };
        let stride = self.layout.materialised.stride as usize * 4;
        let mut rows = vec![0.0; codes.batch * stride];
        let staging = self.ctx.staging(size_of_val(&rows[..]) as u64)?;
        self.ctx.read_back(generated, &staging, &mut rows)?;
        Ok(rows.chunks_exact(stride).flat_map(unpack).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::adapters;
    use crate::model::heads::{Multiplier, Place};
    use crate::model::{Family, HeadChoice, Inr, WeightChoice};

    /// Halves take half of the memory, and every bit that is generated from them is what it was.
    #[test]
    fn halves_of_heads_change_nothing_but_memory() {
        let place = Some((Place::BeforeOmega, true, true));
        for (weight, modulation) in [
            (WeightChoice::Linear, None),
            (WeightChoice::LowRank(3, Multiplier::Tanh), place),
            (WeightChoice::Shared, place),
        ] {
            let family = Family { latent_dim: 13, features: 71, latents: 11, seed: 5, ..Family::default() };
            let mut model = family.build(Inr::siren(2, 33, 3, 3, 30.0), |_| HeadChoice { weight, modulation });
            let mut hypernetwork = model.hypernetwork.in_halves();
            // The smallest half and one of the largest that are stored as such.
            hypernetwork.trunks[0].layers[0].map.weight[..2].copy_from_slice(&[-f32::powi(2.0, -24), 63.96875]);
            model.hypernetwork = Arc::new(hypernetwork);
            // One number that is no half.
            let mut other = model.clone();
            Arc::make_mut(&mut other.hypernetwork).trunks[0].layers[0].map.bias[0] += f32::powi(2.0, -20);
            let [model, other] = [model, other].map(Arc::new);
            for adapter in 0..adapters().len() {
                let ctx = Context::named(&adapter.to_string()).unwrap();
                let fields = [Field::new(&ctx, &model), Field::of_floats(&ctx, &model), Field::new(&ctx, &other)];
                let [halves, floats, others] = fields.map(Result::unwrap);
                assert!(halves.pages[0].packed && !floats.pages[0].packed && !others.pages[0].packed);
                assert_eq!(2 * halves.pages[0].buffer.raw().size(), floats.pages[0].buffer.raw().size());
                for batch in [1, 11] {
                    let z = &model.latents.values()[..batch * 13];
                    let theta = |field: &Field| field.theta(&field.prepare(z, batch, false).unwrap()).unwrap();
                    let [theta, expected] = [theta(&halves), theta(&floats)];
                    assert!(theta.iter().any(|v| *v != 0.0));
                    let differing = theta.iter().zip(&expected).filter(|(a, b)| a.to_bits() != b.to_bits()).count();
                    println!("{}, {batch} latents: {differing} of {} differ", ctx.summary().name, theta.len());
                    assert_eq!(differing, 0);
                }
            }
        }
    }
}
