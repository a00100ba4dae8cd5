//! The inner loop of meta-learning: a few plain gradient steps that take latents from a common start to their signals.

use serde::{Deserialize, Serialize};

use super::signals::Samples;
use super::{Config, Learner, Wanted};
use crate::Result;
use crate::model::{Batch, Goal, Importance, Model, Supervised};

/// How latents are adapted: as CAVIA adapts a context (Zintgraf et al. 2019) and functa a modulation (Dupont et al. 2022).
///
/// They start from the origin: a learned start would add nothing, since all that reads a latent is an affine map whose
/// bias is learned. Neither momentum nor prior: where so few steps lead is what the network is trained for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct InnerLoop {
    /// Gradient steps.
    pub steps: u64,
    /// The step size, against the mean of a latent's own squared errors: as large in a batch of any size.
    pub lr: f64,
}

impl InnerLoop {
    /// The one that a model was trained with; None: it was not meta-learned.
    pub fn of(model: &Model) -> Option<Self> {
        let config: Config = serde_json::from_value(model.training.clone()?).ok()?;
        config.family?.inner()
    }

    /// The latents `[count][latent_dim]` of as many signals of `inputs` coordinates, of which `samples` are known.
    ///
    /// After every step `watch` hears how many were taken, the latents, and the loss before the step; it says whether to go
    /// on.
    ///
    /// # Errors
    /// Where the device fails.
    ///
    /// # Panics
    /// Where the samples are not as many for every latent.
    pub fn adapt(
        self,
        learner: &mut Learner,
        count: usize,
        dim: usize,
        inputs: usize,
        samples: &Samples,
        watch: &mut dyn FnMut(u64, &[f32], f64) -> bool,
    ) -> Result<Vec<f32>> {
        let points = samples.coordinates.len() / inputs;
        let importance = Importance { weights: &samples.weights, errors: &[] };
        let objective = Goal::Supervised(Supervised {
            importance: (!samples.weights.is_empty()).then_some(importance),
            ..Supervised::new(&samples.values, count, samples.values.len() / points.max(1))
        });
        let mut z = vec![0.0; count * dim];
        // The objective is a mean over all latents; so many times its gradient is that of a latent's own mean.
        #[expect(clippy::cast_possible_truncation, reason = "latents are f32")]
        let rate = (self.lr * count as f64) as f32;
        for step in 0..self.steps {
            let batch = Batch { count, latents: &z, coordinates: &samples.coordinates };
            let losses = learner.backward(batch, &objective, Wanted::Latents)?;
            z.iter_mut().zip(learner.latent_gradients()).for_each(|(z, g)| *z -= rate * g);
            if !watch(step + 1, &z, losses.outputs) {
                break;
            }
        }
        Ok(z)
    }
}
