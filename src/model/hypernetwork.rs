//! The network that writes the INR's weights: trunks (z -> features h) and one head per INR layer.

use half::f16;

use super::dense::{add_rows, cast};
use super::heads::{Adjoint, Slots};
use super::trunk::{Trunk, TrunkLayer, columns};
use super::{Head, Inr, LayerShape};
use crate::math::{Real, zip};
use crate::{Error, Result};

/// Widest trunk or latent that is accepted.
pub(super) const MAX_FEATURES: usize = 8192;

/// Trunks of a layer of the INR that are accepted, on average: four tensors, and as many that others start from.
const MOST_TRUNKS: usize = 8;

/// Trunks and heads together: `z -> theta`.
#[derive(Clone, Debug, PartialEq)]
pub struct Hypernetwork<T> {
    /// Length of z. 0 where every head is shared.
    pub latent_dim: usize,
    /// One for all heads, or one per target tensor (SIREN's own code); heads name theirs by index.
    pub trunks: Vec<Trunk<T>>,
    /// One per INR layer, first to last.
    pub heads: Vec<Head<T>>,
}

/// The outputs of all trunks for a batch of latents: row `b` holds trunk 0's features, then trunk 1's, ...
#[derive(Clone, Debug)]
pub struct Features<T> {
    /// `batch * stride` numbers.
    pub data: Vec<T>,
    /// Features of one latent, all trunks together.
    pub stride: usize,
    /// Where each trunk's features start in a row.
    pub offsets: Vec<usize>,
}

impl<T: Copy> Features<T> {
    /// The features of some of the latents.
    #[must_use]
    pub fn rows(&self, latents: std::ops::Range<usize>) -> Self {
        let data = self.data[latents.start * self.stride..latents.end * self.stride].to_vec();
        Self { data, stride: self.stride, offsets: self.offsets.clone() }
    }
}

impl<T: Real> Hypernetwork<T> {
    /// The hypernetwork with every tensor replaced.
    fn map<U>(&self, tensor: impl Fn(&[T]) -> Vec<U>) -> Hypernetwork<U> {
        let trunk = |t: &Trunk<T>| Trunk { from: t.from, layers: t.layers.iter().map(|l| l.map(&tensor)).collect() };
        Hypernetwork {
            latent_dim: self.latent_dim,
            trunks: self.trunks.iter().map(trunk).collect(),
            heads: self.heads.iter().map(|h| h.map(&tensor, |dense| dense.map(&tensor))).collect(),
        }
    }

    /// The hypernetwork in another precision.
    pub fn cast<U: Real>(&self) -> Hypernetwork<U> {
        self.map(cast)
    }

    /// Total number of stored parameters, latents not counted.
    pub fn parameter_count(&self) -> usize {
        let layer = |l: &TrunkLayer<T>| {
            l.map.weight.len() + l.map.bias.len() + l.norm.as_ref().map_or(0, |n| n.weight.len() + n.bias.len())
        };
        let trunks: usize = self.trunks.iter().flat_map(|t| &t.layers).map(layer).sum();
        trunks + self.heads.iter().map(Head::parameter_count).sum::<usize>()
    }

    /// Multiply-adds to generate one theta from one latent.
    pub fn macs_per_latent(&self) -> usize {
        self.trunk_macs() + self.heads.iter().map(Head::macs_per_latent).sum::<usize>()
    }

    /// Those of the trunks.
    pub fn trunk_macs(&self) -> usize {
        self.trunks.iter().flat_map(|t| &t.layers).map(|l| l.map.weight.len()).sum()
    }

    /// Features of a trunk, of which the earlier ones have `widths`.
    fn feature_width(&self, trunk: &Trunk<T>, widths: &[usize]) -> usize {
        let start = trunk.from.map_or(self.latent_dim, |f| widths[f]);
        trunk.layers.last().map_or(start, |l| l.map.outputs)
    }

    /// Features of each trunk.
    pub fn feature_widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = Vec::with_capacity(self.trunks.len());
        for trunk in &self.trunks {
            widths.push(self.feature_width(trunk, &widths));
        }
        widths
    }

    /// Of each layer of trunk `t`: how many inputs are the outputs of the layer or trunk before, and how many inputs
    /// there are; entries of the latent come last. `widths` are the trunks' features, as far as trunk `t` reads them.
    pub(crate) fn trunk_inputs(&self, t: usize, widths: &[usize]) -> Vec<(usize, usize)> {
        let trunk = &self.trunks[t];
        trunk.inputs(trunk.from.map_or(0, |f| widths[f]), self.latent_dim).collect()
    }

    /// Where every layer's parameters stand in a latent's row of theta.
    pub fn slots(&self, inr: &Inr) -> Vec<Slots> {
        let mut at = 0;
        let next = |(head, shape): (&Head<T>, LayerShape)| {
            let slots = head.slots(&shape, at);
            at = slots.end;
            slots
        };
        self.heads.iter().zip(inr.layers()).map(next).collect()
    }

    /// Numbers of one latent's theta.
    pub fn theta_len(&self, inr: &Inr) -> usize {
        self.slots(inr).last().map_or(0, |s| s.end)
    }

    /// Runs the trunks: `z` is `batch x latent_dim`, row-major.
    ///
    /// # Panics
    /// Where `z` is shorter than that.
    pub fn features(&self, batch: usize, z: &[T]) -> Features<T> {
        assert_eq!(z.len(), batch * self.latent_dim, "latents do not match the hypernetwork");
        let widths = self.feature_widths();
        let stride = widths.iter().sum();
        let mut end = 0;
        let offsets: Vec<usize> = (widths.iter())
            .map(|width| {
                end += width;
                end - width
            })
            .collect();
        let mut data = vec![T::ZERO; batch * stride];
        for (t, trunk) in self.trunks.iter().enumerate() {
            let (x, start) = match trunk.from {
                Some(f) => (columns(&data, stride, offsets[f], widths[f]), widths[f]),
                None if trunk.layers.is_empty() => (z.to_vec(), self.latent_dim),
                None => (Vec::new(), 0),
            };
            let features = trunk.apply(batch, x, start, z, self.latent_dim, None);
            for (b, row) in features.chunks_exact(widths[t].max(1)).enumerate() {
                data[b * stride + offsets[t]..][..widths[t]].copy_from_slice(row);
            }
        }
        Features { data, stride, offsets }
    }

    /// Adjoint of [`Hypernetwork::features`]: from `dfeatures`, the gradients of the trunks (overwritten) and of the
    /// latents (added to `dz`). Trunks run forward once more, which costs less than to keep what they computed. What
    /// chained trunks receive from later ones is added to `dfeatures`.
    fn trunks_vjp(
        &self,
        z: &[T],
        features: &Features<T>,
        dfeatures: &mut Features<T>,
        gradient: &mut Self,
        dz: &mut [T],
    ) {
        let (widths, stride) = (self.feature_widths(), features.stride);
        let batch = features.data.len().checked_div(stride).unwrap_or(0);
        for (t, trunk) in self.trunks.iter().enumerate().rev() {
            let at = |t: usize| features.offsets[t];
            let (x, start) =
                trunk.from.map_or((Vec::new(), 0), |f| (columns(&features.data, stride, at(f), widths[f]), widths[f]));
            let delta = columns(&dfeatures.data, stride, at(t), widths[t]);
            let mut tape = Vec::new();
            if !trunk.layers.is_empty() {
                trunk.apply(batch, x, start, z, self.latent_dim, Some(&mut tape));
            }
            let delta = trunk.vjp(&tape, (start, self.latent_dim), delta, &mut gradient.trunks[t], dz);
            match trunk.from {
                Some(f) => add_rows(&mut dfeatures.data[at(f)..], stride, &delta, widths[f]),
                None if trunk.layers.is_empty() => zip(dz, &delta, |sum, d| sum + d),
                None => {}
            }
        }
    }

    /// Adjoint of generation: from dL/dtheta of a batch of latents `z` (rows of `stride` numbers, of which the first
    /// `theta_len` count), the gradients of all parameters and of the latents. Both are overwritten; `gradient` has this
    /// hypernetwork's shapes, or is empty ([`Hypernetwork::empty_like`]).
    ///
    /// # Panics
    /// Where the sizes do not agree.
    pub fn vjp(
        &self,
        inr: &Inr,
        (z, features): (&[T], &Features<T>),
        (dtheta, stride): (&[T], usize),
        gradient: &mut Self,
        dz: &mut [T],
    ) {
        let batch = dtheta.len() / stride;
        let mut dfeatures = Features {
            data: vec![T::ZERO; features.data.len()],
            stride: features.stride,
            offsets: features.offsets.clone(),
        };
        let mut adjoint = Adjoint { batch, features, dtheta, stride, dfeatures: &mut dfeatures };
        let layers = inr.layers();
        let heads = self.heads.iter().zip(&mut gradient.heads).zip(layers.iter().zip(self.slots(inr)));
        for ((head, gradient), (shape, slots)) in heads {
            head.vjp(shape, &slots, &mut adjoint, gradient);
        }
        dz.fill(T::ZERO);
        self.trunks_vjp(z, features, &mut dfeatures, gradient, dz);
    }

    /// Every stored tensor, by its name in a model file, row-major.
    pub fn tensors_mut(&mut self) -> Vec<(String, &mut [T])> {
        let mut list = Vec::new();
        for (t, trunk) in self.trunks.iter_mut().enumerate() {
            for (l, layer) in trunk.layers.iter_mut().enumerate() {
                let name = format!("trunk.{t}.{l}");
                layer.map.tensors_mut(&name, &mut list);
                if let Some(norm) = &mut layer.norm {
                    list.push((format!("{name}.norm.weight"), &mut norm.weight));
                    list.push((format!("{name}.norm.bias"), &mut norm.bias));
                }
            }
        }
        for (l, head) in self.heads.iter_mut().enumerate() {
            head.tensors_mut(&format!("head.{l}"), &mut list);
        }
        list
    }

    /// Every number rounded to a half of 16 bits, as a file in f16 holds it.
    #[must_use]
    pub fn in_halves(&self) -> Self
    where
        T: Into<f64>,
    {
        self.map(|tensor| tensor.iter().map(|&v| T::from_f64(f16::from_f64(v.into()).to_f64())).collect())
    }

    /// The same shapes, all numbers 0: a place for gradients.
    #[must_use]
    pub fn zeros_like(&self) -> Self {
        self.map(|tensor| vec![T::ZERO; tensor.len()])
    }

    /// The same structure, all tensors empty: in place of gradients, it says that none of the parameters is wanted.
    #[must_use]
    pub fn empty_like(&self) -> Self {
        self.map(|_| Vec::new())
    }

    /// Writes theta for the latents behind `features`: per latent, layer by layer, weights `[out, in]` row-major,
    /// biases, then gains and shifts where there are any. `theta` has `batch * theta_len` numbers.
    ///
    /// # Panics
    /// Where the sizes do not agree.
    pub fn materialise(&self, inr: &Inr, batch: usize, features: &Features<T>, theta: &mut [T]) {
        let stride = self.theta_len(inr);
        assert_eq!(theta.len(), batch * stride, "theta has the wrong size");
        if batch == 0 {
            return;
        }
        for ((head, shape), slots) in self.heads.iter().zip(inr.layers()).zip(self.slots(inr)) {
            head.materialise(&shape, &slots, batch, features, theta, stride);
        }
    }

    /// Checks every shape against the INR's, and every number.
    pub(super) fn validate(&self, inr: &Inr) -> Result<()> {
        if self.latent_dim > MAX_FEATURES {
            return Err(Error::invalid(format!(
                "latents of {} entries; at most {MAX_FEATURES} are supported",
                self.latent_dim
            )));
        }
        let most = MOST_TRUNKS * inr.layers().len();
        if self.trunks.len() > most {
            return Err(Error::invalid(format!(
                "{} trunks for an INR of {} layers; at most {most} are supported",
                self.trunks.len(),
                inr.layers().len()
            )));
        }
        let mut widths = Vec::new();
        for (t, trunk) in self.trunks.iter().enumerate() {
            if let Some(from) = trunk.from.filter(|&f| f >= t) {
                return Err(Error::invalid(format!("trunk {t} starts from trunk {from}, which is no earlier one")));
            }
            for (l, (layer, (_, inputs))) in trunk.layers.iter().zip(self.trunk_inputs(t, &widths)).enumerate() {
                let map = &layer.map;
                if map.inputs != inputs || map.outputs == 0 || map.outputs > MAX_FEATURES {
                    return Err(Error::invalid(format!(
                        "layer {l} of trunk {t} is [{}, {}]; it should take {inputs} inputs and give 1 to {MAX_FEATURES} features",
                        map.outputs, map.inputs
                    )));
                }
                layer.validate(&format!("trunk.{t}.{l}"))?;
            }
            widths.push(self.feature_width(trunk, &widths));
        }
        let shapes = inr.layers();
        if self.heads.len() != shapes.len() {
            return Err(Error::invalid(format!("{} heads for an INR of {} layers", self.heads.len(), shapes.len())));
        }
        for (l, (head, shape)) in self.heads.iter().zip(&shapes).enumerate() {
            head.validate(l, shape, &widths)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Model;

    /// A trunk without layers costs a file nothing, and whoever reads it a latent's width.
    #[test]
    fn trunks_are_not_without_number() {
        let inr = Inr::siren(2, 8, 2, 3, 30.0);
        let model = Model::random_siren(inr.clone(), 0);
        let with =
            |count| Hypernetwork { trunks: vec![Trunk::new(Vec::new()); count], ..(*model.hypernetwork).clone() };
        assert!(with(24).validate(&inr).is_ok());
        let refused = with(25).validate(&inr).unwrap_err().to_string();
        assert_eq!(refused, "25 trunks for an INR of 3 layers; at most 24 are supported");
    }
}
