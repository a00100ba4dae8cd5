//! Which device and which strategy.

use std::str::FromStr;
use std::sync::Arc;

use super::{CostModel, Field};
use crate::gpu::{Context, GpuError, Reject};
use crate::model::Model;
use crate::{Error, Result, cpu};

/// What `--device` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// A real GPU where there is one, else the CPU backend.
    #[default]
    Auto,
    /// The best adapter, a software one last and with a warning.
    Gpu,
    /// The CPU backend.
    Cpu,
    /// The adapter of that index, or whose name contains that text.
    Named(String),
}

impl FromStr for DeviceChoice {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "auto" => Self::Auto,
            "gpu" => Self::Gpu,
            "cpu" => Self::Cpu,
            name => Self::Named(name.to_owned()),
        })
    }
}

/// How generated weights reach the INR.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Strategy {
    /// Whichever is likely to be faster.
    #[default]
    Auto,
    /// The kernel that evaluates also generates: theta never exists in device memory.
    Fused,
    /// theta is written once per latent and read by every point.
    #[value(name = "materialized", alias = "materialised")]
    Materialised,
}

impl Strategy {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Fused => "fused",
            Self::Materialised => "materialized",
        }
    }

    /// Which one was taken.
    pub(super) fn taken(fused: bool) -> Self {
        if fused { Self::Fused } else { Self::Materialised }
    }
}

/// An opened device.
#[derive(Clone, Debug)]
pub struct Engine {
    gpu: Option<Arc<Context>>,
    costs: Option<CostModel>,
}

impl Engine {
    /// Opens a device.
    ///
    /// # Errors
    /// Where the device asked for is not there.
    pub fn open(choice: &DeviceChoice) -> Result<Self> {
        let gpu = match choice {
            DeviceChoice::Cpu => None,
            DeviceChoice::Gpu => Some(Context::best(Reject::Nothing)?),
            DeviceChoice::Named(name) => Some(Context::named(name)?),
            DeviceChoice::Auto => match Context::best(Reject::Software) {
                Ok(ctx) => Some(ctx),
                Err(Error::Gpu(GpuError::NoAdapter(reason))) => {
                    log::info!("{reason}: the CPU backend is used");
                    None
                }
                Err(other) => return Err(other),
            },
        };
        if let Some(ctx) = gpu.as_ref().filter(|c| c.is_software()) {
            log::warn!(
                "'{}' is a software driver: it proves the kernels right, but --device cpu is faster",
                ctx.summary().name
            );
        }
        Ok(Self::with(gpu))
    }

    fn with(gpu: Option<Arc<Context>>) -> Self {
        let mut engine = Self { gpu, costs: None };
        engine.costs = CostModel::load(&engine.describe());
        engine
    }

    /// An engine on a device that is already open, e.g. one that presents to a window.
    pub fn on(ctx: &Arc<Context>) -> Self {
        Self::with(Some(Arc::clone(ctx)))
    }

    /// The CPU backend, which is always there.
    pub fn cpu() -> Self {
        Self::with(None)
    }

    /// The GPU, if this is one.
    pub fn gpu(&self) -> Option<&Arc<Context>> {
        self.gpu.as_ref()
    }

    /// What work costs on this device, if that was measured: `auto` picks the strategy by it.
    pub fn costs(&self) -> Option<&CostModel> {
        self.costs.as_ref()
    }

    /// The device in words, e.g. `llvmpipe (Vulkan)` or `cpu, 8 threads, v3`.
    pub fn describe(&self) -> String {
        match &self.gpu {
            Some(ctx) => ctx.summary().describe(),
            None => format!("cpu, {} threads, {}", cpu::threads(), cpu::vector_unit()),
        }
    }

    /// Makes a model ready on this device.
    ///
    /// # Errors
    /// Where it does not fit.
    pub fn load(&self, model: &Arc<Model>) -> Result<Field> {
        Field::new(self, model)
    }
}
