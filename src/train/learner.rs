//! A model that learns on some device: gradients of a batch, steps of Adam. Parameters, gradients and moments stay where
//! they are computed.

use std::sync::Arc;

use super::{Adam, AdamConfig, Ema, Moments, parameters, squares};
use crate::cpu::{Gradients, Network};
use crate::engine::Engine;
use crate::model::{Batch, Goal, Hypernetwork, Losses, Model, Objective};
use crate::{Result, gpu};

/// Which gradients a step wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Those of the parameters and of the latents.
    All,
    /// Those of the latents: the network is frozen.
    Latents,
}

/// A model in training on a device.
#[derive(Debug)]
pub struct Learner {
    machine: Machine,
    config: AdamConfig,
    /// How much of a running mean of the parameters stays at a step, if there is one.
    decay: Option<f64>,
    /// Steps taken.
    steps: u64,
    dz: Vec<f32>,
}

#[derive(Debug)]
enum Machine {
    Cpu(Box<Cpu>),
    Gpu(Box<gpu::Learner>),
}

#[derive(Debug)]
struct Cpu {
    network: Network<f32>,
    /// Made when they are first wanted, as the next.
    gradients: Option<Gradients<f32>>,
    of_latents: Option<Gradients<f32>>,
    adam: Adam<f32>,
    ema: Option<Ema<f32>>,
}

/// What a run must keep besides the parameters to go on: Adam's moments of every tensor, and the tensors' running means,
/// if there are any.
#[derive(Clone, Debug)]
pub struct LearnerState {
    /// One for each tensor.
    pub moments: Vec<Moments<f32>>,
    /// One for each tensor, or none.
    pub means: Vec<Vec<f32>>,
}

impl Learner {
    /// Puts a model on a device to learn there, with running means of the parameters if they have a `decay`.
    ///
    /// # Errors
    /// Where it does not fit the device.
    pub fn new(engine: &Engine, model: &Arc<Model>, config: AdamConfig, decay: Option<f64>) -> Result<Self> {
        let machine = match engine.gpu() {
            Some(ctx) => Machine::Gpu(Box::new(gpu::Learner::new(ctx, model, decay.is_some())?)),
            None => Machine::Cpu(Box::new(Cpu {
                network: Network::new(model),
                gradients: None,
                of_latents: None,
                adam: Adam::new(config),
                ema: decay.map(Ema::new),
            })),
        };
        Ok(Self { machine, config, decay, steps: 0, dz: Vec::new() })
    }

    /// Forward, then backward: the value of `objective` on a batch. Gradients stay until the next call.
    ///
    /// # Errors
    /// Where the device fails.
    ///
    /// # Panics
    /// Where the sizes do not agree.
    pub fn backward(&mut self, batch: Batch<'_, f32>, objective: &Goal<'_>, wanted: Wanted) -> Result<Losses> {
        match &mut self.machine {
            Machine::Cpu(cpu) => {
                let Cpu { network, gradients, of_latents, .. } = &mut **cpu;
                let room = match wanted {
                    Wanted::All => gradients.get_or_insert_with(|| Gradients::new(network)),
                    Wanted::Latents => of_latents.get_or_insert_with(|| Gradients::of_latents(network)),
                };
                let losses = network.backward(batch, objective, room);
                self.dz.clone_from(&room.latents);
                Ok(losses)
            }
            Machine::Gpu(learner) => {
                self.dz.clear();
                self.dz.resize(batch.latents.len(), 0.0);
                let mut losses = learner.backward(batch, objective, wanted == Wanted::Latents, &mut self.dz)?;
                let dim = (batch.latents.len() / batch.count.max(1)).max(1);
                let latents = batch.latents.chunks_exact(dim).zip(self.dz.chunks_exact_mut(dim));
                losses.latents = latents.map(|(z, dz)| objective.latent(z, dz)).sum();
                Ok(losses)
            }
        }
    }

    /// The last batch's gradients with respect to its latents, `[count][latent_dim]`.
    pub fn latent_gradients(&self) -> &[f32] {
        &self.dz
    }

    /// The sum of squares of the last gradients of all parameters.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn gradient_squares(&mut self) -> Result<f64> {
        match &mut self.machine {
            Machine::Cpu(cpu) => Ok(cpu
                .gradients
                .as_mut()
                .map_or(0.0, |g| g.hypernetwork.tensors_mut().iter().map(|(_, gradient)| squares(gradient)).sum())),
            Machine::Gpu(learner) => learner.gradient_squares(),
        }
    }

    /// One step of Adam at a learning rate on the last gradients, which are first multiplied by `clip`.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn step(&mut self, rate: f64, clip: f64) -> Result<()> {
        self.steps += 1;
        match &mut self.machine {
            Machine::Cpu(cpu) => {
                let Cpu { network, gradients, adam, ema, .. } = &mut **cpu;
                let Some(gradients) = gradients else { return Ok(()) };
                if clip < 1.0 {
                    let tensors = gradients.hypernetwork.tensors_mut().into_iter();
                    tensors.for_each(|(_, gradient)| super::optimiser::scale(gradient, clip));
                }
                adam.step(parameters(network.hypernetwork_mut(), &mut gradients.hypernetwork, rate));
                if let Some(ema) = ema {
                    let tensors = network.hypernetwork_mut().tensors_mut();
                    ema.update(&tensors.iter().map(|(_, values)| &**values).collect::<Vec<&[f32]>>());
                }
                Ok(())
            }
            Machine::Gpu(learner) => {
                let c = self.config.constants::<f32>(self.steps, rate);
                // The first values are their own mean.
                let fresh = if self.steps == 1 { 1.0 } else { 1.0 - self.decay.unwrap_or(0.0) };
                #[expect(clippy::cast_possible_truncation, reason = "kernels compute in f32")]
                learner.step(gpu::AdamStep {
                    keep1: c.keep1,
                    new1: c.new1,
                    keep2: c.keep2,
                    new2: c.new2,
                    rate: c.rate,
                    root: c.root,
                    epsilon: c.epsilon,
                    penalty: c.penalty,
                    shrink: c.shrink,
                    clip: clip as f32,
                    fresh: fresh as f32,
                    ..gpu::AdamStep::default()
                })
            }
        }
    }

    /// The parameters as they are.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn hypernetwork(&self) -> Result<Arc<Hypernetwork<f32>>> {
        match &self.machine {
            Machine::Cpu(cpu) => Ok(Arc::clone(cpu.network.hypernetwork())),
            Machine::Gpu(learner) => Ok(Arc::new(learner.hypernetwork()?)),
        }
    }

    /// Their running means, one for each tensor; none where there are none, or no step was taken yet.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn means(&self) -> Result<Vec<Vec<f32>>> {
        let list = |mut h: Hypernetwork<f32>| h.tensors_mut().into_iter().map(|(_, v)| v.to_vec()).collect();
        match &self.machine {
            Machine::Cpu(cpu) => Ok(cpu.ema.as_ref().map(|e| e.means.clone()).unwrap_or_default()),
            Machine::Gpu(_) if self.steps == 0 => Ok(Vec::new()),
            Machine::Gpu(learner) => Ok(learner.means()?.map(list).unwrap_or_default()),
        }
    }

    /// What must be kept besides them.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn state(&self) -> Result<LearnerState> {
        let [mut first, mut second] = match &self.machine {
            Machine::Cpu(cpu) if !cpu.adam.moments.is_empty() => {
                return Ok(LearnerState { moments: cpu.adam.moments.clone(), means: self.means()? });
            }
            // Before the first step.
            Machine::Cpu(cpu) => [(); 2].map(|()| cpu.network.hypernetwork().zeros_like()),
            Machine::Gpu(learner) => learner.moments()?,
        };
        let pairs = first.tensors_mut().into_iter().zip(second.tensors_mut());
        let moments =
            pairs.map(|((name, first), (_, second))| Moments { name, first: first.to_vec(), second: second.to_vec() });
        Ok(LearnerState { moments: moments.collect(), means: self.means()? })
    }

    /// Goes on after so many steps.
    ///
    /// # Panics
    /// Where the tensors are not this model's.
    pub fn restore(&mut self, steps: u64, state: LearnerState) {
        self.steps = steps;
        match &mut self.machine {
            Machine::Cpu(cpu) => {
                (cpu.adam.steps, cpu.adam.moments) = (steps, state.moments);
                if let Some(ema) = &mut cpu.ema {
                    ema.means = state.means;
                }
            }
            Machine::Gpu(learner) => {
                let (first, second): (Vec<_>, Vec<_>) = state.moments.into_iter().map(|m| (m.first, m.second)).unzip();
                learner.restore(&first, &second, &state.means);
            }
        }
    }
}
