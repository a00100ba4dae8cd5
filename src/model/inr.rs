//! The coordinate network: layer sizes and activations, without weights.

use serde::{Deserialize, Serialize};

use super::Activation;
use super::dense::check_tensor;
use crate::math::{Lanes, Real, map};
use crate::{Error, Result};

/// Largest number of coordinates a point may have.
pub(super) const MAX_INPUTS: usize = 4;
/// Largest number of values at a point.
pub(super) const MAX_OUTPUTS: usize = 16;
/// Largest layer width.
pub(super) const MAX_WIDTH: usize = 512;
/// Largest number of features that an encoding may make.
pub(super) const MAX_ENCODED: usize = 1024;
/// Largest number of activated layers.
pub(super) const MAX_DEPTH: usize = 16;

/// What is done to a point's coordinates before the first layer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// Nothing.
    #[default]
    Identity,
    /// Fourier features (Tancik et al. 2020): `[sin(2 pi B x), cos(2 pi B x)]`.
    Fourier {
        /// Rows of B; there are twice as many features.
        features: usize,
        /// B, `[features, inputs]` row-major; a tensor of its own in a file.
        #[serde(skip)]
        frequencies: Vec<f32>,
    },
    /// NeRF's octaves: x itself (if `input`), then for k = 0, 1, ...: `sin(2^k pi x)`, `cos(2^k pi x)`, each over
    /// all coordinates.
    Octaves {
        /// Number of octaves.
        count: usize,
        /// Whether x itself comes first.
        input: bool,
    },
}

impl Encoding {
    /// Features of a point of `inputs` coordinates.
    pub fn width(&self, inputs: usize) -> usize {
        match self {
            Self::Identity => inputs,
            // Saturating: a file's numbers are measured before they are believed.
            Self::Fourier { features, .. } => features.saturating_mul(2),
            Self::Octaves { count, input } => {
                count.saturating_mul(2).saturating_add(usize::from(*input)).saturating_mul(inputs)
            }
        }
    }

    /// Encodes a block of points: `x` is `[inputs][points]`, `out` `[width][points]`.
    pub fn apply<T: Real>(&self, points: usize, x: &[T], out: &mut [T]) {
        let inputs = x.len() / points;
        match self {
            Self::Identity => out.copy_from_slice(x),
            Self::Fourier { features, frequencies } => {
                let (sines, cosines) = out.split_at_mut(features * points);
                for (row, f) in sines.chunks_exact_mut(points).zip(frequencies.chunks_exact(inputs)) {
                    row.fill(T::ZERO);
                    for (x, &f) in x.chunks_exact(points).zip(f) {
                        row.iter_mut().zip(x).for_each(|(r, &x)| *r += T::from_f32(f) * x);
                    }
                }
                cosines.copy_from_slice(sines);
                map(sines, T::sine);
                map(cosines, T::cosine);
            }
            Self::Octaves { count, input } => {
                let (plain, waves) = out.split_at_mut(if *input { x.len() } else { 0 });
                plain.copy_from_slice(&x[..plain.len()]);
                for (k, octave) in waves.chunks_exact_mut(2 * x.len()).take(*count).enumerate() {
                    let (sines, cosines) = octave.split_at_mut(x.len());
                    sines.copy_from_slice(x);
                    cosines.copy_from_slice(x);
                    // 2^k pi x is 2^(k-1) x turns, which f32 scales without error.
                    let turns = T::from_f64(0.5 * (k as f64).exp2());
                    map(sines, |x| (x * turns).sine());
                    map(cosines, |x| (x * turns).cosine());
                }
            }
        }
    }

    /// The jets of the features whose values [`Encoding::apply`] wrote: `values` is `[width][points]`, `out`
    /// `[width][columns][points]`.
    pub(crate) fn jet<T: Real>(&self, inputs: usize, lanes: Lanes, values: &[T], out: &mut [T]) {
        let values: Vec<&[T]> = values.chunks_exact(lanes.points).collect();
        for (row, jet) in out.chunks_exact_mut(lanes.row()).enumerate() {
            let mut columns = jet.chunks_exact_mut(lanes.points);
            let (partner, slopes) = self.slopes(inputs, row);
            let mut squares = 0.0;
            if let Some(column) = columns.next() {
                column.copy_from_slice(values[row]);
            }
            for (column, slope) in columns.by_ref().take(lanes.gradient).zip(slopes) {
                squares += slope * slope;
                let slope = T::from_f64(slope);
                match partner {
                    Some(partner) => column.iter_mut().zip(values[partner]).for_each(|(c, &v)| *c = slope * v),
                    None => column.fill(slope),
                }
            }
            // A wave's second derivatives are its own, turned over.
            let bend = if partner.is_some() { T::from_f64(-squares) } else { T::ZERO };
            if let Some(column) = columns.next() {
                column.iter_mut().zip(values[row]).for_each(|(c, &v)| *c = bend * v);
            }
        }
    }

    /// The derivatives of feature `row` along each coordinate: multiples of another feature, a sine of a cosine and a
    /// cosine of a sine, or (None) numbers.
    fn slopes(&self, inputs: usize, row: usize) -> (Option<usize>, [f64; MAX_INPUTS]) {
        let along = |axis: usize, slope: f64| std::array::from_fn(|k| if k == axis { slope } else { 0.0 });
        match self {
            Self::Identity => (None, along(row, 1.0)),
            Self::Fourier { features, frequencies } => {
                let sine = row < *features;
                let turn = if sine { std::f64::consts::TAU } else { -std::f64::consts::TAU };
                let frequencies = &frequencies[row % features * inputs..][..inputs];
                let slope = |k| frequencies.get(k).map_or(0.0, |&f| turn * f64::from(f));
                (Some(if sine { row + features } else { row - features }), std::array::from_fn(slope))
            }
            Self::Octaves { input, .. } => {
                let plain = if *input { inputs } else { 0 };
                if row < plain {
                    return (None, along(row, 1.0));
                }
                let (octave, wave) = ((row - plain) / (2 * inputs), (row - plain) % (2 * inputs));
                let turn = std::f64::consts::PI * (octave as f64).exp2();
                let sine = wave < inputs;
                let partner = if sine { row + inputs } else { row - inputs };
                (Some(partner), along(wave % inputs, if sine { turn } else { -turn }))
            }
        }
    }

    fn validate(&self, inputs: usize) -> Result<()> {
        let width = self.width(inputs);
        if !(1..=MAX_ENCODED).contains(&width) {
            return Err(Error::invalid(format!(
                "the encoding makes {width} features; 1 to {MAX_ENCODED} are supported"
            )));
        }
        match self {
            Self::Octaves { count, .. } if *count > 24 => {
                Err(Error::invalid(format!("{count} octaves: f32 coordinates carry at most 24")))
            }
            Self::Fourier { features, frequencies } => {
                check_tensor("encoding.frequencies", frequencies, features * inputs)
            }
            _ => Ok(()),
        }
    }
}

/// One activated layer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HiddenLayer {
    /// Number of outputs.
    pub width: usize,
    /// What is applied to them.
    pub activation: Activation,
    /// Whether the encoded coordinates are appended to this layer's inputs (DeepSDF).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub skip: bool,
    /// Whether the sums of the last residual layer before it, or else of the first layer, are added to its own, before
    /// modulation and activation: the stream of a residual network (Mescheder et al., "Occupancy Networks", 2019).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub residual: bool,
}

impl HiddenLayer {
    /// A layer without a skip or residual connection.
    pub fn new(width: usize, activation: Activation) -> Self {
        Self { width, activation, skip: false, residual: false }
    }
}

/// An INR's architecture: `R^inputs -> R^outputs`: an encoding, hidden layers, then one linear layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inr {
    /// Coordinates per point.
    pub inputs: usize,
    /// Values per point.
    pub outputs: usize,
    /// What the first layer sees of them.
    #[serde(default)]
    pub encoding: Encoding,
    /// The activated layers, first to last.
    pub hidden: Vec<HiddenLayer>,
}

/// The shape of one layer: `[outputs, inputs]` weights, `[outputs]` biases.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerShape {
    /// Number of outputs (rows).
    pub outputs: usize,
    /// Number of inputs (columns).
    pub inputs: usize,
    /// How many of the inputs are the previous layer's outputs; encoded coordinates follow.
    pub previous: usize,
    /// Whether it carries the residual stream: to its sums are added those of the last layer before it that does, if there
    /// is one, and the next one adds the result to its own.
    pub stream: bool,
    /// None for the last layer, which is linear.
    pub activation: Option<Activation>,
}

impl LayerShape {
    /// Number of weights, without biases.
    pub fn weights(&self) -> usize {
        self.outputs * self.inputs
    }
}

impl Inr {
    /// A SIREN with `depth` sine layers of the same width and one omega.
    pub fn siren(inputs: usize, width: usize, depth: usize, outputs: usize, omega: f32) -> Self {
        let layer = HiddenLayer::new(width, Activation::Sine { omega });
        Self { inputs, outputs, encoding: Encoding::Identity, hidden: vec![layer; depth] }
    }

    /// Every layer's shape, first to last; the last one has no activation.
    pub fn layers(&self) -> Vec<LayerShape> {
        let encoded = self.encoding.width(self.inputs);
        let residual = self.is_residual();
        let mut previous = 0;
        let mut shapes = Vec::with_capacity(self.hidden.len() + 1);
        for (l, layer) in self.hidden.iter().enumerate() {
            let inputs = previous + if l == 0 || layer.skip { encoded } else { 0 };
            let (stream, activation) = (layer.residual || (l == 0 && residual), Some(layer.activation));
            shapes.push(LayerShape { outputs: layer.width, inputs, previous, stream, activation });
            previous = layer.width;
        }
        shapes.push(LayerShape { outputs: self.outputs, inputs: previous, previous, stream: false, activation: None });
        shapes
    }

    /// Whether any layer has a residual connection.
    pub fn is_residual(&self) -> bool {
        self.hidden.iter().any(|layer| layer.residual)
    }

    /// The layers that carry the residual stream, layer l as bit l.
    pub(crate) fn stream_mask(&self) -> u32 {
        let carriers = self.layers().into_iter().enumerate().filter(|(_, shape)| shape.stream);
        carriers.fold(0, |mask, (l, _)| mask | 1 << l)
    }

    /// All weights and biases.
    pub fn weight_count(&self) -> usize {
        self.layers().iter().map(|l| l.weights() + l.outputs).sum()
    }

    /// Multiply-adds of one evaluated point, activations not counted.
    pub fn macs_per_point(&self) -> usize {
        self.layers().iter().map(LayerShape::weights).sum()
    }

    /// The widest hidden layer.
    pub fn max_width(&self) -> usize {
        self.hidden.iter().map(|l| l.width).max().unwrap_or(0)
    }

    /// Checks the architecture against the limits of the engine.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the number that is out of range.
    pub fn validate(&self) -> Result<()> {
        let within = |what: &str, n: usize, max: usize| {
            if (1..=max).contains(&n) {
                Ok(())
            } else {
                Err(Error::invalid(format!("the INR has {n} {what}; 1 to {max} are supported")))
            }
        };
        within("inputs", self.inputs, MAX_INPUTS)?;
        within("outputs", self.outputs, MAX_OUTPUTS)?;
        within("hidden layers", self.hidden.len(), MAX_DEPTH)?;
        for (l, layer) in self.hidden.iter().enumerate() {
            within(&format!("neurons in layer {l}"), layer.width, MAX_WIDTH)?;
            layer.activation.validate(l)?;
            if layer.residual && l == 0 {
                return Err(Error::invalid("layer 0 is residual, but there are no sums before it"));
            }
            if layer.residual && layer.width != self.hidden[0].width {
                return Err(Error::invalid(format!(
                    "layer {l} is residual: it needs as many neurons as the first layer, {}, and has {}",
                    self.hidden[0].width, layer.width
                )));
            }
        }
        self.encoding.validate(self.inputs)?;
        Ok(())
    }
}

impl std::fmt::Display for Inr {
    /// The brief's shorthand: `2-256x4-3`, or the widths one by one where they differ; `3-256x11-1 (5 residual)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-", self.inputs)?;
        let same = self.hidden.windows(2).all(|w| w[0].width == w[1].width);
        match self.hidden.first() {
            Some(first) if same => write!(f, "{}x{}", first.width, self.hidden.len())?,
            _ => {
                let widths: Vec<String> = self.hidden.iter().map(|l| l.width.to_string()).collect();
                f.write_str(&widths.join("-"))?;
            }
        }
        write!(f, "-{}", self.outputs)?;
        match self.hidden.iter().filter(|l| l.residual).count() {
            0 => Ok(()),
            count => write!(f, " ({count} residual)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absurd_encodings_are_refused() {
        for count in [25, usize::MAX, usize::MAX / 2 + 1] {
            let inr = Inr { encoding: Encoding::Octaves { count, input: true }, ..Inr::siren(2, 8, 2, 1, 30.0) };
            assert!(inr.validate().is_err(), "{count}");
        }
        let frequencies = vec![0.0; 8];
        let encoding = Encoding::Fourier { features: usize::MAX / 2 + 1, frequencies };
        assert!(Inr { encoding, ..Inr::siren(2, 8, 2, 1, 30.0) }.validate().is_err());
    }

    #[test]
    fn residual_layers_need_a_stream_of_their_width() {
        let layer = |width, residual| HiddenLayer { residual, ..HiddenLayer::new(width, Activation::Relu) };
        let of = |hidden: &[HiddenLayer]| Inr { hidden: hidden.to_vec(), ..Inr::siren(3, 1, 1, 1, 1.0) };
        let fine = of(&[layer(8, false), layer(5, false), layer(8, true), layer(6, false), layer(8, true)]);
        fine.validate().unwrap();
        assert_eq!((fine.stream_mask(), fine.to_string().as_str()), (0b10101, "3-8-5-8-6-8-1 (2 residual)"));
        assert_eq!(of(&[layer(8, false), layer(8, false)]).stream_mask(), 0);
        for wrong in [[layer(8, true), layer(8, false)], [layer(8, false), layer(7, true)]] {
            assert!(of(&wrong).validate().is_err());
        }
        let text = serde_json::to_string(&fine).unwrap();
        assert_eq!((text.matches("residual").count(), serde_json::from_str(&text).ok()), (2, Some(fine)));
    }
}
