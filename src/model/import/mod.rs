//! Checkpoints of other programs: first the container (safetensors, PyTorch zip or legacy, NumPy), then the
//! layout of the names in it.

mod archive;
mod coin;
mod coinpp;
mod deepsdf;
mod element;
mod functa;
mod latents;
mod layout;
mod modulated;
mod network;
mod numpy;
mod onet;
mod pickle;
mod pth;
mod siren;
mod siren_pytorch;
mod state;
mod tree;

pub use layout::{Conventions, Final, Layout};
pub(crate) use numpy::arrays;
pub use state::{StateDict, Tensor};

use std::path::{Path, PathBuf};
use std::sync::Arc;

use safetensors::SafeTensors;

use super::{Align, Interval, Model, Order, Span, ValueRange, file};
use crate::{Error, Result};
use archive::Archive;

/// How to read a checkpoint, where it is not to be read as its layout usually is.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// None: by the names of the tensors.
    pub layout: Option<Layout>,
    /// Order of the coordinates.
    pub order: Option<Order>,
    /// Where on a pixel its coordinate was taken.
    pub align: Option<Align>,
    /// What the interval spans.
    pub span: Option<Span>,
    /// The interval of the coordinates.
    pub interval: Option<Interval>,
    /// What the outputs span.
    pub values: Option<ValueRange>,
    /// `omega_0` of the first layer.
    pub first_omega: Option<f32>,
    /// `omega_0` of the other sine layers.
    pub omega: Option<f32>,
    /// What is applied to the outputs.
    pub last: Option<Final>,
    /// Names of the latents, in the order of the table's rows; None names them 0, 1, ...
    pub names: Option<Vec<String>>,
    /// A second file with the latents.
    pub latents: Option<PathBuf>,
}

impl Options {
    /// The layout's own conventions, with what was said otherwise.
    fn over(&self, own: Conventions) -> Conventions {
        let mut c = own;
        c.coordinates.order = self.order.unwrap_or(c.coordinates.order);
        c.coordinates.interval = self.interval.unwrap_or(c.coordinates.interval);
        c.coordinates.align = self.align.unwrap_or(c.coordinates.align);
        // linspace(-1, 1, n) codebases span each axis by itself, where nothing else is known of them.
        let corner = c.coordinates.align == Align::Corner && own.coordinates.align != Align::Corner;
        c.coordinates.span = self.span.unwrap_or(if corner { Span::EachAxis } else { own.coordinates.span });
        c.values = self.values.unwrap_or(c.values);
        c.omega = self.omega.unwrap_or(own.omega);
        // One omega is meant for all sines unless the layout tells the first one's apart.
        #[expect(clippy::float_cmp, reason = "two constants")]
        let first = if own.first_omega == own.omega { c.omega } else { own.first_omega };
        c.first_omega = self.first_omega.unwrap_or(first);
        c.last = self.last.unwrap_or(own.last);
        c
    }
}

/// A model that came from a checkpoint.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The model.
    pub model: Model,
    /// The layout it was read in.
    pub layout: Layout,
}

/// Reads a checkpoint and turns it into a model.
///
/// # Errors
/// Where the file cannot be read, is damaged, would run code, or has a layout that is not known.
pub fn import(path: &Path, options: &Options) -> Result<Imported> {
    let state = read(path)?;
    let mut imported = from_state(&state, options).map_err(|e| e.in_file(path))?;
    let source = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    imported.model.provenance = format!("imported from {source} ({} layout)", imported.layout);
    Ok(imported)
}

/// Turns a checkpoint's tensors into a model.
///
/// # Errors
/// Where the layout is not known, tensors are missing or do not fit, or numbers are not finite.
pub fn from_state(state: &StateDict, options: &Options) -> Result<Imported> {
    let layout = options.layout.map_or_else(|| Layout::detect(state), Ok)?;
    let conventions = options.over(layout.conventions());
    let network = layout.build(state, &conventions)?;
    let (latent_dim, names) = (network.hypernetwork.latent_dim, options.names.as_deref());
    let latents = match &options.latents {
        Some(file) if latent_dim == 0 => {
            return Err(Error::file(file, "latents are of no use here: the checkpoint is a single INR"));
        }
        Some(file) => latents::from_file(file, latent_dim, names)?,
        None if latent_dim == 0 => latents::none(names)?,
        None => latents::own(state, layout.table(), names)?,
    };
    let model = Model {
        inr: network.inr,
        hypernetwork: Arc::new(network.hypernetwork),
        latents,
        coordinates: conventions.coordinates,
        values: conventions.values,
        provenance: String::new(),
        solid: layout.solid(),
        training: None,
    };
    model.validate().map_err(|e| not_finite(state).unwrap_or(e))?;
    Ok(Imported { model, layout })
}

/// What is wrong with a checkpoint of numbers that are not finite, under the checkpoint's own names.
fn not_finite(state: &StateDict) -> Option<Error> {
    let (name, value) = state.iter().find_map(|(name, t)| t.data.iter().find(|v| !v.is_finite()).map(|v| (name, v)))?;
    Some(Error::invalid(format!(
        "tensor '{name}' holds {value}: the weights must be finite; the training that wrote it diverged or the file is damaged"
    )))
}

/// Reads a checkpoint's tensors, whatever its container.
///
/// # Errors
/// As [`import`], but for the layout.
pub fn read(path: &Path) -> Result<StateDict> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    from_bytes(&bytes).map_err(|e| e.in_file(path))
}

/// Reads a checkpoint's tensors from the bytes of a file; the container is told by its first bytes.
///
/// # Errors
/// As [`read`].
pub fn from_bytes(bytes: &[u8]) -> Result<StateDict> {
    match bytes {
        _ if bytes.starts_with(numpy::MAGIC) => numpy::read_npy(bytes),
        // Before zip and pickle: the first byte is the header's length, which may be theirs.
        [_, _, _, _, _, _, _, _, b'{', ..] => read_safetensors(bytes),
        [b'P', b'K', ..] => read_zip(bytes),
        [0x80, ..] => pth::read_pickles(bytes),
        [] => Err(Error::invalid("the file is empty")),
        _ => Err(Error::invalid("neither a PyTorch checkpoint nor a safetensors or NumPy file")),
    }
}

fn read_zip(bytes: &[u8]) -> Result<StateDict> {
    let mut archive = Archive::open(bytes)?;
    let names = archive.names();
    if let Some(listing) = names.iter().find(|n| *n == "data.pkl" || n.ends_with("/data.pkl")) {
        pth::read_zip(&mut archive, listing, bytes.len())
    } else if names.iter().any(|n| n.ends_with(".npy")) {
        numpy::read_npz(&mut archive, bytes.len())
    } else {
        Err(Error::invalid("a zip archive, but neither a PyTorch checkpoint nor a .npz: without data.pkl and .npy"))
    }
}

fn read_safetensors(bytes: &[u8]) -> Result<StateDict> {
    let tensors = SafeTensors::deserialize(bytes)
        .map_err(|e| Error::invalid(format!("the safetensors file is damaged or cut short ({e})")))?;
    let mut state = StateDict::new();
    for (name, view) in tensors.tensors() {
        // Counters and masks are of no use to an INR.
        if matches!(
            view.dtype(),
            safetensors::Dtype::F16 | safetensors::Dtype::BF16 | safetensors::Dtype::F32 | safetensors::Dtype::F64
        ) {
            let data = file::decode(&name, view.dtype(), view.data())?;
            state.insert(name, Tensor { shape: view.shape().to_vec(), data });
        }
    }
    Ok(state)
}
