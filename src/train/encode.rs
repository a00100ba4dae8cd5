//! Latents of signals that a model never saw: gradient steps on the latent alone, the network frozen.

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::Args;
use rand::Rng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::session::{PIXELS, STEPS, stream};
use super::signals::{Samples, Signals};
use super::{Adam, AdamConfig, Curve, InnerLoop, Learner, Parameter, Schedule, Wanted};
use crate::engine::Engine;
use crate::model::{Batch, Goal, Inr, Model, Side, Supervised};
use crate::signal::shape::PointCloud;
use crate::{Error, Result};

/// Points that a step of Adam looks at, where more were observed.
const STEP_POINTS: usize = 1024;
/// How far from a surface its sides are known, in the box: a hundredth of its extent.
const ASIDE: f32 = 0.02;
/// Signals that are sought together.
const BLOCK: usize = 64;

/// How latents are sought.
#[derive(Clone, Debug)]
pub enum Search {
    /// By Adam, under the prior of the model's own latents.
    Adam(EncodeConfig),
    /// By the steps that a meta-learned model was trained for, on all that is observed.
    Inner(InnerLoop),
}

/// Adam's settings.
#[derive(Clone, Debug, PartialEq, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EncodeConfig {
    /// Gradient steps
    #[arg(long, default_value_t = Self::default().steps)]
    pub steps: u64,
    /// Adam's learning rate, in standard deviations of the model's latents; a cosine takes it to a tenth
    #[arg(long, value_name = "RATE", default_value_t = Self::default().lr)]
    pub lr: f64,
    /// Weight of the squared distance from the model's own latents' mean, in standard deviations, against the sum of the
    /// observed pixels' squared errors
    #[arg(long, value_name = "WEIGHT", default_value_t = Self::default().prior)]
    pub prior: f64,
}

impl Default for EncodeConfig {
    fn default() -> Self {
        Self { steps: 300, lr: 0.05, prior: 0.01 }
    }
}

/// What of a picture is known.
#[derive(Clone, Debug)]
pub enum Observed {
    /// Every pixel.
    All,
    /// So many random pixels of each, other ones for each signal.
    Random(usize),
    /// The pixels of this list, of every signal.
    Pixels(Vec<usize>),
}

/// What is known of one signal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observation {
    /// `[points][inputs]`
    pub coordinates: Vec<f32>,
    /// `[points][outputs]`
    pub values: Vec<f32>,
}

/// How far a search has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// The signals that are sought together at the moment, by their index.
    pub signals: &'a [usize],
    /// Steps taken for them, this one included.
    pub step: u64,
    /// Steps that there will be.
    pub steps: u64,
    /// Their latents after this step, `[signals][latent_dim]`.
    pub latents: &'a [f32],
    /// Mean squared error of what this step saw of them, before it changed the latents.
    pub loss: f64,
}

/// How codes `e` with a standard normal prior become latents: `z = mean + sum_i e_i (z_i - mean) / sqrt(n)`, which
/// gives `z` the mean and covariance of the model's own latents `z_i`. A model without latents has `z = e`.
#[derive(Debug)]
struct Prior {
    mean: Vec<f32>,
    /// `[n][latent_dim]`: the scaled differences; empty: the identity.
    rows: Vec<f32>,
}

impl Prior {
    fn new(model: &Model) -> Self {
        let (table, dim) = (&model.latents, model.latent_dim());
        if table.len() < 2 {
            return Self { mean: vec![0.0; dim], rows: Vec::new() };
        }
        #[expect(clippy::cast_possible_truncation, reason = "latents are f32")]
        let mean: Vec<f32> = table.mean().into_iter().map(|m| m as f32).collect();
        #[expect(clippy::cast_possible_truncation, reason = "latents are f32")]
        let scale = 1.0 / (table.len() as f64).sqrt() as f32;
        let rows = table.values().chunks_exact(dim).flat_map(|z| z.iter().zip(&mean).map(|(z, m)| (z - m) * scale));
        Self { rows: rows.collect(), mean }
    }

    /// Length of a code.
    fn len(&self) -> usize {
        if self.rows.is_empty() { self.mean.len() } else { self.rows.len() / self.mean.len() }
    }

    fn latent(&self, e: &[f32]) -> Vec<f32> {
        let mut z = self.mean.clone();
        if self.rows.is_empty() {
            z.iter_mut().zip(e).for_each(|(z, e)| *z += e);
        }
        for (row, &e) in self.rows.chunks_exact(self.mean.len()).zip(e) {
            z.iter_mut().zip(row).for_each(|(z, r)| *z += e * r);
        }
        z
    }

    /// The gradient with respect to a code from that with respect to its latent.
    fn vjp(&self, dz: &[f32]) -> Vec<f32> {
        if self.rows.is_empty() {
            return dz.to_vec();
        }
        self.rows.chunks_exact(self.mean.len()).map(|row| row.iter().zip(dz).map(|(r, d)| r * d).sum()).collect()
    }
}

impl Observation {
    /// Of each of some pictures.
    ///
    /// # Errors
    /// Where nothing is known of one, or the pixels of a list are not its.
    pub fn of_pictures(signals: &Signals, observed: &Observed, seed: u64) -> Result<Vec<Self>> {
        let one = |i: usize| {
            let mut samples = Samples::default();
            let known = known(signals, i, observed, &mut stream(seed, PIXELS, i as u64))?;
            known.into_iter().for_each(|p| signals.push(i, p, &mut samples));
            let Samples { coordinates, values, .. } = samples;
            Ok(Self { coordinates, values })
        };
        (0..signals.names().len()).map(one).collect()
    }

    /// Of a solid of which points on its surface and their normals are known, in its box: values there, and a little way
    /// inwards and outwards. Only the signs of logits are known: they are asked for 0 and for 3 (95 %).
    pub fn of_surface(side: Side, cloud: &PointCloud) -> Self {
        let (mut coordinates, mut values) = (Vec::new(), Vec::new());
        for (p, n) in cloud.points.iter().zip(&cloud.normals) {
            for by in [0.0, -ASIDE, ASIDE] {
                coordinates.extend((*p + *n * by).to_array());
                values.push(match side {
                    Side::Distance => by,
                    Side::Occupancy => -3.0 * by / ASIDE,
                });
            }
        }
        Self { coordinates, values }
    }
}

/// Finds a latent for every observation; returns them row by row.
///
/// `watch` hears of every step and says whether to go on. Where it does not, latents are returned as they are then:
/// those of signals that the search has not come to are where it would have started.
///
/// # Errors
/// Where the model has no latents to be found, or the signals do not fit it.
pub fn encode(
    engine: &Engine,
    model: &Arc<Model>,
    known: &[Observation],
    search: &Search,
    seed: u64,
    watch: &mut dyn FnMut(&Progress<'_>) -> bool,
) -> Result<Vec<f32>> {
    if model.latent_dim() == 0 {
        return Err(Error::invalid("a single INR has no latents; `hypersine fit` learns one signal"));
    }
    let Inr { inputs, outputs, .. } = model.inr;
    for one in known {
        let (points, numbers) = (one.coordinates.len() / inputs, one.values.len());
        if one.coordinates.len() % inputs != 0 || points * outputs != numbers || points == 0 {
            return Err(Error::invalid(format!(
                "the model maps {inputs} coordinates to {outputs} values; what is known of the signals has other sizes"
            )));
        }
    }
    let (steps, lr, prior) = match search {
        Search::Adam(config) => (config.steps, config.lr, config.prior),
        Search::Inner(inner) => (inner.steps, inner.lr, 0.0),
    };
    if !(lr.is_finite() && lr > 0.0 && prior.is_finite() && prior >= 0.0) {
        return Err(Error::invalid("--lr must be more than 0, --prior 0 or more"));
    }
    let mut learner = Learner::new(engine, model, AdamConfig::default(), None)?;
    let prior = Prior::new(model);
    let dim = model.latent_dim();
    let start = if let Search::Adam(_) = search { prior.mean.clone() } else { vec![0.0; dim] };
    let mut all = start.repeat(known.len());
    // Signals of which as much is known go together, some at a time.
    let mut alike: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    known.iter().enumerate().for_each(|(i, k)| alike.entry(k.values.len()).or_default().push(i));
    let mut going = true;
    for members in alike.values().flat_map(|together| together.chunks(BLOCK)) {
        let block = Block { members, known, inputs, outputs };
        let mut watch = |step, latents: &[f32], loss| {
            going = watch(&Progress { signals: members, step, steps, latents, loss });
            going
        };
        let z = match search {
            Search::Inner(inner) => inner.adapt(&mut learner, members.len(), dim, inputs, &block.all(), &mut watch)?,
            Search::Adam(config) => {
                let rngs = members.iter().map(|&i| stream(seed, STEPS, i as u64)).collect();
                adam(&mut learner, &prior, &block, config, rngs, &mut watch)?
            }
        };
        for (&i, z) in members.iter().zip(z.chunks_exact(dim)) {
            all[i * dim..][..dim].copy_from_slice(z);
        }
        if !going {
            break;
        }
    }
    Ok(all)
}

/// Signals that are sought together.
struct Block<'a> {
    /// Which; as much is known of each.
    members: &'a [usize],
    /// What is known of all signals.
    known: &'a [Observation],
    inputs: usize,
    outputs: usize,
}

impl Block<'_> {
    /// Points that are known of each.
    fn points(&self) -> usize {
        self.known[self.members[0]].values.len() / self.outputs
    }

    /// All that is known of the members.
    fn all(&self) -> Samples {
        let mut samples = Samples::default();
        for &i in self.members {
            samples.coordinates.extend(&self.known[i].coordinates);
            samples.values.extend(&self.known[i].values);
        }
        samples
    }

    /// What a step of Adam sees of them: all that is known, or so many random points of it.
    fn some(&self, rngs: &mut [ChaCha8Rng], samples: &mut Samples) {
        if self.points() <= STEP_POINTS {
            *samples = self.all();
            return;
        }
        samples.clear();
        for (&i, rng) in self.members.iter().zip(rngs) {
            let Observation { coordinates, values } = &self.known[i];
            for p in index::sample(rng, self.points(), STEP_POINTS) {
                samples.coordinates.extend(&coordinates[p * self.inputs..][..self.inputs]);
                samples.values.extend(&values[p * self.outputs..][..self.outputs]);
            }
        }
    }
}

/// The pixels of signal `i` that are observed.
fn known(signals: &Signals, i: usize, observed: &Observed, rng: &mut impl Rng) -> Result<Vec<usize>> {
    let picture = &signals.pictures()[i];
    let pixels = picture.width as usize * picture.height as usize;
    let known: Vec<usize> = match observed {
        Observed::All => (0..pixels).collect(),
        Observed::Random(n) => index::sample(rng, pixels, (*n).min(pixels)).into_vec(),
        Observed::Pixels(list) if list.iter().all(|&p| p < pixels) => list.clone(),
        Observed::Pixels(_) => {
            return Err(Error::invalid(format!("the mask does not fit '{}'", signals.names()[i])));
        }
    };
    if known.is_empty() {
        return Err(Error::invalid(format!("nothing of '{}' is observed", signals.names()[i])));
    }
    Ok(known)
}

/// The latents of a block of signals, by Adam under the prior; `watch` as [`InnerLoop::adapt`] has it.
fn adam(
    learner: &mut Learner,
    prior: &Prior,
    block: &Block<'_>,
    config: &EncodeConfig,
    mut rngs: Vec<ChaCha8Rng>,
    watch: &mut dyn FnMut(u64, &[f32], f64) -> bool,
) -> Result<Vec<f32>> {
    let count = block.members.len();
    let mut adam = Adam::new(AdamConfig::default());
    let course = Schedule { warm_up: 0, curve: Curve::Cosine { to: 0.1 } };
    let mut e = vec![0.0_f32; count * prior.len()];
    // Per observed value, so that the data term is a mean: the more is known, the less the prior weighs.
    #[expect(clippy::cast_possible_truncation, reason = "gradients are f32")]
    let pull = (2.0 * config.prior / (block.points() * block.outputs) as f64) as f32;
    let latents = |e: &[f32]| e.chunks_exact(prior.len()).flat_map(|e| prior.latent(e)).collect::<Vec<f32>>();
    let mut z = latents(&e);
    let mut samples = Samples::default();
    for step in 0..config.steps {
        block.some(&mut rngs, &mut samples);
        let objective = Goal::Supervised(Supervised::new(&samples.values, count, block.outputs));
        let batch = Batch { count, latents: &z, coordinates: &samples.coordinates };
        let losses = learner.backward(batch, &objective, Wanted::Latents)?;
        // The objective is a mean over the block; so many times its gradient is that of a signal's own mean.
        let rows = learner.latent_gradients().chunks_exact(z.len() / count);
        let mut gradient: Vec<f32> = rows.flat_map(|dz| prior.vjp(dz)).collect();
        gradient.iter_mut().zip(&e).for_each(|(g, e)| *g = *g * count as f32 + pull * e);
        let rate = config.lr * course.factor(step, config.steps);
        adam.step(vec![Parameter { name: "e".into(), value: &mut e, gradient: &gradient, rate }]);
        z = latents(&e);
        if !watch(step + 1, &z, losses.outputs) {
            break;
        }
    }
    Ok(z)
}
