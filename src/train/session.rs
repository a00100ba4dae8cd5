//! A run: a model on its way, step by step. Everything random in step n depends on the seed and n alone, so that a run
//! that was interrupted goes on bit for bit as if it had not been.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Instant;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::config::{
    ActivationKind, Config, FamilyConfig, HeadKind, LossConfig, LossKind, OptimiserConfig, Sampling, StopConfig,
    Supervise,
};
use super::optimiser::scale;
use super::sampling::ErrorMap;
use super::signals::{Samples, Signals};
use super::solids::{Sight, on_surface};
use super::{
    Adam, Ema, InnerLoop, Learner, LearnerState, Moments, Observation, Observed, Parameter, Search, Wanted, clip,
    encode, scatter_rows, squares,
};
use crate::engine::Engine;
use crate::model::file::{self, RunState};
use crate::model::{
    Batch, Family, Goal, Importance, Jet, LatentTable, Model, Oriented, OrientedWeights, Solid, Supervised, normal,
};
use crate::{Error, Result};

/// Steps over which the reported loss is averaged.
const WINDOW: usize = 200;
/// A mean loss so many times the best one so far is a run that diverged.
const DIVERGED: f64 = 30.0;

/// What a step did.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Step {
    /// Number of steps done, this one included.
    pub step: u64,
    /// The data term before this step's update.
    pub loss: f64,
    /// PSNR of that, where the loss is a mean of squares.
    pub psnr: Option<f64>,
    /// The data term's mean over the last 200 steps, and its PSNR.
    pub mean_loss: f64,
    /// See [`Step::mean_loss`].
    pub mean_psnr: Option<f64>,
    /// Regularisers.
    pub penalty: f64,
    /// Learning rate of the network.
    pub lr: f64,
    /// Points seen.
    pub points: usize,
    /// Seconds of training so far.
    pub seconds: f64,
}

/// A model in training on a device.
#[derive(Debug)]
pub struct Trainer {
    config: Config,
    seed: u64,
    signals: Signals,
    engine: Engine,
    /// All of the model but the weights and latents, which are `learner`'s and `latents`.
    template: Arc<Model>,
    learner: Learner,
    /// The table: learned with the network or, in meta-learning, what the inner loop found last.
    latents: Vec<f32>,
    latent_adam: Adam<f32>,
    latent_ema: Option<Ema<f32>>,
    /// Gradients of the whole table.
    dlatents: Vec<f32>,
    samples: Samples,
    /// Of each picture, where errors decide what a step sees; else empty.
    errors: Vec<ErrorMap>,
    recent: Recent,
    step: u64,
    /// Seconds of earlier parts of the run.
    before: f64,
    started: Instant,
    last: Option<Step>,
}

/// A running mean, and the best it has been.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Recent {
    losses: Vec<f64>,
    next: usize,
    best: f64,
}

impl Recent {
    fn add(&mut self, loss: f64) -> f64 {
        if self.losses.len() < WINDOW {
            self.losses.push(loss);
        } else {
            self.losses[self.next] = loss;
        }
        self.next = (self.next + 1) % WINDOW;
        let mean = self.losses.iter().sum::<f64>() / self.losses.len() as f64;
        self.best = if self.losses.len() == 1 { mean } else { self.best.min(mean) };
        mean
    }
}

/// How a checkpoint's run goes on.
#[derive(Serialize, Deserialize)]
struct RunDocument {
    config: Config,
    seed: u64,
    step: u64,
    seconds: f64,
    recent: Recent,
    names: Vec<String>,
}

/// The random numbers of one purpose and step.
pub(super) fn stream(seed: u64, purpose: u64, step: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(step * 4 + purpose);
    rng
}

/// Purposes of random numbers.
const ORDER: u64 = 0;
pub(super) const PIXELS: u64 = 1;
/// Of a run, and of an encoding.
const LATENT_START: u64 = 2;
pub(super) const STEPS: u64 = 2;
const FREQUENCIES: u64 = 3;

impl Trainer {
    /// A run from the start.
    ///
    /// # Errors
    /// Where the settings make no sense, or do not fit the signals.
    pub fn new(config: Config, signals: Signals, seed: u64, engine: &Engine) -> Result<Self> {
        let model = Self::untrained(&config, &signals, seed)?;
        Self::with(config, signals, seed, model, engine)
    }

    /// The model that a run over these signals starts from.
    ///
    /// # Errors
    /// Where the settings make no sense, or do not fit the signals.
    pub fn untrained(config: &Config, signals: &Signals, seed: u64) -> Result<Model> {
        config.validate()?;
        let solid = signals.solid();
        let count = signals.names().len();
        let frequencies = |n| normal(&mut stream(seed, FREQUENCIES, 0), n, f64::from(config.network.sigma));
        let inr = config.network.inr(signals.inputs(), signals.channels(), frequencies)?;
        let side = solid.as_ref().map(|_| config.loss.side());
        let mut coordinates = config.network.coordinates();
        let mut model = match &config.family {
            None if count > 1 => {
                return Err(Error::invalid(format!("{count} signals are a family: `hypersine train` learns one")));
            }
            None => Model::random_siren(inr, seed),
            Some(f) => {
                let omega = config.network.omega;
                if f.head == HeadKind::LowRank && config.network.activation == ActivationKind::Sine && omega > 5.0 {
                    log::warn!(
                        "--head low-rank divides rows by their norms, which makes noise of a sine at --omega {omega}; give --first-omega 12 --omega 1.5, or --head low-rank-tanh"
                    );
                }
                let family = Family {
                    latent_dim: f.latent_dim,
                    features: f.features,
                    trunk_layers: f.trunk_layers,
                    shared_trunk: f.shared_trunk,
                    init: f.init,
                    shrink: f.head_shrink,
                    latents: 0,
                    latent_std: f.latent_std,
                    seed,
                };
                let mut model = match &f.base {
                    Some(path) => {
                        let numbers = (signals.inputs(), signals.channels());
                        let base = FamilyConfig::load_base(path, numbers, side)?;
                        coordinates = base.coordinates;
                        family.over(base, |_| f.choice())
                    }
                    None => family.build(inr, |_| f.choice()),
                };
                let deviation = if f.inner_steps > 0 { 0.0 } else { f.latent_std };
                let values = normal(&mut stream(seed, LATENT_START, 0), count * f.latent_dim, deviation);
                model.latents = LatentTable::new(signals.names().to_vec(), values)?;
                model
            }
        };
        coordinates.size = signals.size();
        model.coordinates = coordinates;
        model.solid = solid.zip(side).map(|(solid, values)| Solid { values, ..solid });
        model.provenance = "trained by hypersine".into();
        model.training = Some(serde_json::to_value(config).map_err(|e| Error::invalid(e.to_string()))?);
        Ok(model)
    }

    fn with(config: Config, mut signals: Signals, seed: u64, model: Model, engine: &Engine) -> Result<Self> {
        let sight = if config.loss.loss().is_some() { Sight::Values(config.loss.side()) } else { Sight::Oriented };
        config.suits(model.solid.is_some())?;
        signals.prepare(config.loss.supervise, sight)?;
        let errors = if config.batch.sampling == Sampling::Error { signals.error_maps() } else { Vec::new() };
        let model = Arc::new(model);
        let (adam, decay) = (config.optimiser.adam(), config.optimiser.ema);
        Ok(Self {
            seed,
            signals,
            engine: engine.clone(),
            learner: Learner::new(engine, &model, adam, decay)?,
            latents: model.latents.values().to_vec(),
            template: model,
            latent_adam: Adam::new(adam),
            latent_ema: decay.map(Ema::new),
            dlatents: Vec::new(),
            samples: Samples::default(),
            errors,
            recent: Recent::default(),
            step: 0,
            before: 0.0,
            started: Instant::now(),
            last: None,
            config,
        })
    }

    /// The run whose checkpoint that is.
    ///
    /// # Errors
    /// Where the file is no checkpoint, or not of a run over these signals.
    pub fn resume(path: &Path, signals: Signals, engine: &Engine) -> Result<Self> {
        let (model, run) = file::load_checkpoint(path)?;
        let document: RunDocument = serde_json::from_str(&run.document)
            .map_err(|e| Error::file(path, format!("the state of its run cannot be read ({e})")))?;
        if document.names != signals.names()
            || (model.inr.inputs, model.inr.outputs) != (signals.inputs(), signals.channels())
        {
            return Err(Error::file(path, "the run was over other signals; name the same ones as when it began"));
        }
        let RunDocument { config, seed, step, seconds, recent, .. } = document;
        let mut trainer = Self::with(config, signals, seed, model, engine)?;
        (trainer.step, trainer.before, trainer.recent) = (step, seconds, recent);
        let mut tensors: std::collections::HashMap<String, Vec<f32>> = run.tensors.into_iter().collect();
        let mut take = |name: String, len: usize| {
            let found = tensors.remove(&name).filter(|t| t.len() == len);
            found.ok_or_else(|| Error::file(path, format!("'{name}' is missing, or not as long as its tensor")))
        };
        let mut state = LearnerState { moments: Vec::new(), means: Vec::new() };
        for (name, len) in trainer.lengths() {
            let (first, second) = (take(format!("run.first.{name}"), len)?, take(format!("run.second.{name}"), len)?);
            if trainer.latent_ema.is_some() && step > 0 {
                state.means.push(take(format!("run.average.{name}"), len)?);
            }
            state.moments.push(Moments { name, first, second });
        }
        if trainer.learned_latents() > 0 {
            (trainer.latent_adam.steps, trainer.latent_adam.moments) =
                (step, state.moments.pop().into_iter().collect());
            if let Some(ema) = &mut trainer.latent_ema {
                ema.means = state.means.pop().into_iter().collect();
            }
        }
        trainer.learner.restore(step, state);
        for (i, map) in trainer.errors.iter_mut().enumerate() {
            map.errors = take(format!("run.errors.{i}"), map.errors.len())?;
        }
        Ok(trainer)
    }

    /// Lets the run end elsewhere. A cosine of the learning rate goes on towards the new end.
    pub fn set_stop(&mut self, stop: StopConfig) {
        self.config.stop = stop;
    }

    /// Goes on with other learning rates, of the network and of the latents, as the schedule has them at its height. Only a
    /// checkpoint keeps them: the settings that a model carries are those that the run began with.
    pub fn set_rates(&mut self, lr: f64, latent_lr: f64) {
        (self.config.optimiser.lr, self.config.optimiser.latent_lr) = (lr, latent_lr);
    }

    /// Writes all that the run needs to go on; the file is a model, too, which other commands read.
    ///
    /// # Errors
    /// Where the file cannot be written; an older one then still stands.
    pub fn save_checkpoint(&self, path: &Path) -> Result<()> {
        let document = RunDocument {
            config: self.config.clone(),
            seed: self.seed,
            step: self.step,
            seconds: self.seconds(),
            recent: self.recent.clone(),
            names: self.signals.names().to_vec(),
        };
        let document = serde_json::to_string(&document).map_err(|e| Error::invalid(e.to_string()))?;
        let mut state = self.learner.state()?;
        if self.learned_latents() > 0 {
            let zeros = vec![0.0; self.latents.len()];
            let none = || Moments { name: LATENTS.into(), first: zeros.clone(), second: zeros };
            state.moments.push(self.latent_adam.moments.first().cloned().unwrap_or_else(none));
            state.means.extend(self.latent_ema.iter().flat_map(|e| e.means.clone()));
        }
        let mut tensors = Vec::new();
        let mut means = state.means.into_iter();
        for Moments { name, first, second } in state.moments {
            tensors.extend(means.next().map(|mean| (format!("run.average.{name}"), mean)));
            tensors.push((format!("run.first.{name}"), first));
            tensors.push((format!("run.second.{name}"), second));
        }
        tensors.extend(self.errors.iter().enumerate().map(|(i, map)| (format!("run.errors.{i}"), map.errors.clone())));
        file::save_checkpoint(&self.snapshot()?, &RunState { document, tensors }, path)
    }

    /// One step: a batch of latents, some of their pixels, gradients, an update.
    ///
    /// # Errors
    /// Where the loss is no longer finite or far above what it was; nothing was updated then.
    pub fn step(&mut self) -> Result<Step> {
        let chosen = self.chosen();
        let wanted = self.config.batch.points;
        self.signals.renew(u128::from(self.step) * (chosen.len() * wanted) as u128)?;
        let mut rng = stream(self.seed, PIXELS, self.step);
        if self.errors.is_empty() {
            self.signals.sample(&chosen, wanted, &mut rng, &mut self.samples)?;
        } else {
            self.signals.sample_errors(&chosen, wanted, &self.errors, &mut rng, &mut self.samples);
        }
        let measured: Vec<AtomicU32> = self.samples.weights.iter().map(|_| AtomicU32::default()).collect();
        let importance = Importance { weights: &self.samples.weights, errors: &measured };
        let (dim, inner) = (self.template.latent_dim(), self.inner());
        let row = |i: usize| i * dim..(i + 1) * dim;
        let z: Vec<f32> = match inner {
            None => chosen.iter().flat_map(|&i| &self.latents[row(i)]).copied().collect(),
            // First order: the network's gradient is then taken at the latents found, as if they had been given. It sees
            // the same pixels, as in functa; fresh ones made no difference to what is found for unseen pictures.
            Some(inner) => inner.adapt(
                &mut self.learner,
                chosen.len(),
                dim,
                self.template.inr.inputs,
                &self.samples,
                &mut |_, _, _| true,
            )?,
        };
        let LossConfig { supervise, clamp: within, eikonal, .. } = self.config.loss;
        let (loss, penalties) = (self.config.loss.loss(), self.config.loss.penalties());
        let (latents, inputs) = (chosen.len(), self.template.inr.inputs);
        let (values, points) = (&self.samples.values[..], self.samples.coordinates.len() / inputs);
        let objective = match loss {
            Some(loss) => Goal::Supervised(Supervised {
                loss,
                of: match supervise {
                    Supervise::Value => Jet::Value,
                    Supervise::Gradient => Jet::Gradient,
                    Supervise::Laplacian => Jet::Laplacian,
                },
                within,
                eikonal,
                penalties,
                importance: (!measured.is_empty()).then_some(importance),
                ..Supervised::new(values, latents, self.signals.channels())
            }),
            None => {
                let (points, weights) = (points / latents, OrientedWeights::default());
                let on = on_surface(points);
                Goal::Oriented(Oriented { latents, points, on, normals: values, weights, penalties })
            }
        };
        let batch = Batch { count: chosen.len(), latents: &z, coordinates: &self.samples.coordinates };
        let losses = self.learner.backward(batch, &objective, Wanted::All)?;
        let mean_loss = self.judge(losses.outputs)?;
        let each = (points / latents).max(1);
        let seen = self.samples.pixels.chunks(each).zip(measured.chunks(each));
        for (&i, (pixels, errors)) in chosen.iter().zip(seen) {
            self.errors[i].update(pixels, errors);
        }
        if inner.is_some() {
            chosen.iter().zip(z.chunks_exact(dim)).for_each(|(&i, z)| self.latents[row(i)].copy_from_slice(z));
        }

        let factor = self.config.optimiser.course().factor(self.step, self.expected_steps());
        self.update(&chosen, factor)?;
        self.step += 1;
        let psnr = |mse: f64| self.psnr(mse);
        let step = Step {
            step: self.step,
            loss: losses.outputs,
            psnr: psnr(losses.outputs),
            mean_loss,
            mean_psnr: psnr(mean_loss),
            penalty: losses.theta + losses.latents,
            lr: self.config.optimiser.lr * factor,
            points,
            seconds: self.seconds(),
        };
        self.last = Some(step);
        Ok(step)
    }

    /// The latents of this step: an epoch is a shuffle of all, cut into batches.
    fn chosen(&self) -> Vec<usize> {
        let (count, batch) = (self.signals.names().len(), self.config.batch.latents);
        if batch >= count {
            return (0..count).collect();
        }
        let per_epoch = (count / batch) as u64;
        let mut order: Vec<usize> = (0..count).collect();
        order.shuffle(&mut stream(self.seed, ORDER, self.step / per_epoch));
        let first = usize::try_from(self.step % per_epoch).expect("below a count of pictures") * batch;
        order[first..first + batch].to_vec()
    }

    /// The running mean of the loss, unless the run diverged.
    fn judge(&mut self, loss: f64) -> Result<f64> {
        let mean = if loss.is_finite() { self.recent.add(loss) } else { f64::INFINITY };
        if mean <= DIVERGED * self.recent.best.max(1e-9) {
            return Ok(mean);
        }
        let OptimiserConfig { lr, latent_lr, .. } = self.config.optimiser;
        let (flag, latent_lr) = self.inner().map_or(("latent", latent_lr), |inner| ("inner", inner.lr));
        Err(Error::invalid(format!(
            "the loss diverged at step {}: {loss:.3e}, where its mean had been {:.3e}; begin again with a smaller --lr than {lr} (or --{flag}-lr than {latent_lr}), a --warm-up, or --clip 1",
            self.step + 1,
            self.recent.best
        )))
    }

    fn update(&mut self, chosen: &[usize], factor: f64) -> Result<()> {
        let learned = self.learned_latents();
        self.dlatents.clear();
        self.dlatents.resize(learned, 0.0);
        if learned > 0 {
            scatter_rows(self.learner.latent_gradients(), chosen, self.template.latent_dim(), &mut self.dlatents);
        }
        let OptimiserConfig { lr, latent_lr, clip: limit, .. } = self.config.optimiser;
        let clipped = match limit {
            Some(limit) => clip(self.learner.gradient_squares()? + squares(&self.dlatents), limit),
            None => 1.0,
        };
        self.learner.step(lr * factor, clipped)?;
        if learned > 0 {
            if clipped < 1.0 {
                scale(&mut self.dlatents, clipped);
            }
            let (value, gradient) = (&mut self.latents[..], &self.dlatents[..]);
            self.latent_adam.step(vec![Parameter { name: LATENTS.into(), value, gradient, rate: latent_lr * factor }]);
            if let Some(ema) = &mut self.latent_ema {
                ema.update(&[&self.latents]);
            }
        }
        Ok(())
    }

    /// What is learned, by name, and how many numbers each has; the latents come last.
    fn lengths(&self) -> Vec<(String, usize)> {
        let mut shapes = (*self.template.hypernetwork).clone();
        let mut all: Vec<(String, usize)> = shapes.tensors_mut().into_iter().map(|(n, v)| (n, v.len())).collect();
        if self.learned_latents() > 0 {
            all.push((LATENTS.into(), self.latents.len()));
        }
        all
    }

    /// The inner loop that finds the latents in meta-learning.
    fn inner(&self) -> Option<InnerLoop> {
        self.config.family.as_ref().and_then(FamilyConfig::inner)
    }

    /// Numbers of the latent table that are learned with the network: all of them or none.
    fn learned_latents(&self) -> usize {
        if self.inner().is_some() { 0 } else { self.latents.len() }
    }

    /// The model with the parameters as they are.
    fn snapshot(&self) -> Result<Model> {
        let latents = LatentTable::new(self.template.latents.names().to_vec(), self.latents.clone());
        Ok(Model {
            hypernetwork: self.learner.hypernetwork()?,
            latents: latents.unwrap_or_default(),
            ..(*self.template).clone()
        })
    }

    /// The model as it is to be written: [`Self::so_far`], in meta-learning with the latents that `encode` finds for its
    /// pictures.
    ///
    /// # Errors
    /// Where it is not valid.
    pub fn model(&self) -> Result<Model> {
        let mut model = self.so_far()?;
        if let Some(inner) = self.inner() {
            let (search, found) = (Search::Inner(inner), Arc::new(model.clone()));
            let known = Observation::of_pictures(&self.signals, &Observed::All, self.seed)?;
            let z = encode(&self.engine, &found, &known, &search, self.seed, &mut |_| true)?;
            model.latents = LatentTable::new(model.latents.names().to_vec(), z)?;
        }
        Ok(model)
    }

    /// The model in the midst of its run: with the parameters' running means, if there are any; in meta-learning with the
    /// latents of the last step that saw their pictures.
    ///
    /// # Errors
    /// Where it is not valid.
    pub fn so_far(&self) -> Result<Model> {
        let mut model = self.snapshot()?;
        let means = self.learner.means()?;
        if !means.is_empty() {
            let hypernetwork = Arc::make_mut(&mut model.hypernetwork);
            for ((_, value), mean) in hypernetwork.tensors_mut().into_iter().zip(&means) {
                value.copy_from_slice(mean);
            }
            if let (true, Some(ema)) = (self.learned_latents() > 0, &self.latent_ema) {
                model.latents = LatentTable::new(model.latents.names().to_vec(), ema.means.concat())?;
            }
        }
        self.signals.integrated(&mut model, self.config.loss.supervise)?;
        model.validate()?;
        Ok(model)
    }

    /// How many steps the run will have taken at its end: those that are asked for, or else, at the pace so far, those that
    /// there is time for. (So a run that ends after a number of steps is the same however long they take.)
    pub fn expected_steps(&self) -> u64 {
        let StopConfig { steps, time, .. } = self.config.stop;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of steps")]
        let by_time = |time: f64| (self.step as f64 * time / self.seconds().max(1e-9)) as u64;
        steps.or(time.map(by_time)).unwrap_or(u64::MAX)
    }

    /// Why the run is over; None while it is not.
    pub fn end(&self) -> Option<&'static str> {
        let StopConfig { steps, psnr, time } = self.config.stop;
        let reached = |want: f64| self.last.and_then(|s| s.psnr).is_some_and(|p| p >= want);
        if steps.is_some_and(|steps| self.step >= steps) {
            Some("all steps are done")
        } else if psnr.is_some_and(reached) {
            Some("the PSNR is reached")
        } else if time.is_some_and(|t| self.seconds() >= t) {
            Some("the time is up")
        } else {
            None
        }
    }

    /// dB for a loss, where that is a mean square of differences of a picture's values.
    fn psnr(&self, mse: f64) -> Option<f64> {
        let LossConfig { kind, supervise, .. } = self.config.loss;
        let values = kind == LossKind::Mse && supervise == Supervise::Value && self.template.solid.is_none();
        let peak = f64::from(self.template.values.high - self.template.values.low);
        values.then(|| 10.0 * (peak * peak / mse).log10())
    }

    /// Seconds of training, those before a checkpoint among them.
    pub fn seconds(&self) -> f64 {
        self.before + self.started.elapsed().as_secs_f64()
    }

    /// Steps done.
    pub fn step_count(&self) -> u64 {
        self.step
    }

    /// The last step of this process.
    pub fn last(&self) -> Option<&Step> {
        self.last.as_ref()
    }

    /// The device.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What is learned.
    pub fn signals(&self) -> &Signals {
        &self.signals
    }
}

/// The name of the latent table among the parameters.
const LATENTS: &str = "latents";
