//! Adapters: which there are, what they can do, and which one is meant.

use super::GpuError;
use super::tile::Tier;
use super::tuning::Tiling;
use crate::{Error, Result};

/// What an adapter is and can do, in words and numbers.
#[derive(Clone, Debug, serde::Serialize)]
pub struct AdapterSummary {
    /// The driver's name for it.
    pub name: String,
    /// discrete, integrated, virtual, software or other.
    pub kind: &'static str,
    /// Vulkan, Metal or Dx12.
    pub backend: String,
    /// Driver and its version.
    pub driver: String,
    /// The highest capability tier: portable, subgroup or f16.
    pub tier: &'static str,
    /// Bytes of one storage binding.
    pub max_binding: u64,
    /// Bytes of one buffer.
    pub max_buffer: u64,
    /// Bytes of workgroup memory.
    pub workgroup_memory: u32,
    /// Smallest and largest subgroup.
    pub subgroup: [u32; 2],
    /// Whether passes can be timed by the GPU itself.
    pub timestamps: bool,
}

impl AdapterSummary {
    /// Name and backend, e.g. `llvmpipe (Vulkan)`.
    pub fn describe(&self) -> String {
        format!("{} ({})", self.name, self.backend)
    }
}

/// Which adapters a caller will not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reject {
    /// Take any, a software one last.
    Nothing,
    /// Real GPUs only.
    Software,
}

/// The tier whose kernels are fastest on an adapter, by what docs/performance.md measured, and the highest one it has; or
/// the one that the environment asks for as both. Hypersine's kernels want subgroups of one size. Halves of 16 bits are used only
/// where the environment asks for them, besides what is usual: their numbers are others.
pub(super) fn tiling(adapter: &wgpu::Adapter) -> Result<Tiling> {
    let info = adapter.get_info();
    let lanes = info.subgroup_max_size;
    let able = adapter.features().contains(wgpu::Features::SUBGROUP) && info.subgroup_min_size == lanes;
    let subgroup = Tier::Subgroup(lanes as usize);
    let of = |usual, able| Tiling { usual, able, ..Tiling::default() };
    let most = if able { subgroup } else { Tier::Portable };
    let by_name = of(if info.name.contains("llvmpipe") { most } else { Tier::Portable }, most);
    match std::env::var("HYPERSINE_TIER").as_deref() {
        Ok("portable") => Ok(of(Tier::Portable, Tier::Portable)),
        Ok("subgroup") if able => Ok(of(subgroup, subgroup)),
        Ok("subgroup") => Err(Error::invalid(format!(
            "HYPERSINE_TIER asks for subgroups, and '{}' has none of one size; unset it, or take another device",
            info.name
        ))),
        Ok("f16") if adapter.features().contains(wgpu::Features::SHADER_F16) => Ok(Tiling { half: true, ..by_name }),
        Ok("f16") => Err(Error::invalid(format!(
            "HYPERSINE_TIER asks for numbers of 16 bits, and '{}' has none; unset it, or take another device",
            info.name
        ))),
        Ok(other) => Err(Error::invalid(format!(
            "HYPERSINE_TIER is '{other}', which is no tier: portable, subgroup and f16 are"
        ))),
        Err(_) => Ok(by_name),
    }
}

pub(super) fn is_software(info: &wgpu::AdapterInfo) -> bool {
    info.device_type == wgpu::DeviceType::Cpu
}

/// Best first: discrete, integrated, virtual, unknown, software.
fn rank(info: &wgpu::AdapterInfo) -> usize {
    match info.device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    }
}

/// A new instance with the native backends.
pub(crate) fn instance() -> wgpu::Instance {
    wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle())
}

pub(super) fn sorted_adapters(instance: &wgpu::Instance) -> Vec<wgpu::Adapter> {
    let mut found = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    found.sort_by_key(|a| rank(&a.get_info()));
    found
}

/// All adapters of this machine, best first; the position in the list is the index `--device` takes.
pub fn adapters() -> Vec<AdapterSummary> {
    sorted_adapters(&instance()).iter().map(summary).collect()
}

/// Where in the list the adapter of that index, or whose name contains `name` (case ignored), stands.
pub(super) fn position(adapters: &[wgpu::Adapter], name: &str) -> Result<usize> {
    let names: Vec<String> = adapters.iter().map(|a| a.get_info().name).collect();
    let wanted = name.to_lowercase();
    let by_index = name.parse().ok().filter(|&i: &usize| i < names.len());
    by_index.or_else(|| names.iter().position(|n| n.to_lowercase().contains(&wanted))).ok_or_else(|| {
        let have = if names.is_empty() { "no adapters at all".to_owned() } else { names.join(", ") };
        GpuError::NoAdapter(format!("no adapter is called '{name}'; this machine has {have} (see `hypersine devices`)"))
            .into()
    })
}

pub(super) fn summary(adapter: &wgpu::Adapter) -> AdapterSummary {
    let (info, limits, features) = (adapter.get_info(), adapter.limits(), adapter.features());
    let kind = match info.device_type {
        wgpu::DeviceType::DiscreteGpu => "discrete",
        wgpu::DeviceType::IntegratedGpu => "integrated",
        wgpu::DeviceType::VirtualGpu => "virtual",
        wgpu::DeviceType::Cpu => "software",
        wgpu::DeviceType::Other => "other",
    };
    let subgroup = features.contains(wgpu::Features::SUBGROUP);
    let tier = match (subgroup, features.contains(wgpu::Features::SHADER_F16)) {
        (true, true) => "f16",
        (true, false) => "subgroup",
        _ => "portable",
    };
    AdapterSummary {
        name: info.name,
        kind,
        backend: format!("{:?}", info.backend),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
        tier,
        max_binding: limits.max_storage_buffer_binding_size,
        max_buffer: limits.max_buffer_size,
        workgroup_memory: limits.max_compute_workgroup_storage_size,
        subgroup: [info.subgroup_min_size, info.subgroup_max_size],
        timestamps: features.contains(wgpu::Features::TIMESTAMP_QUERY),
    }
}

/// The adapter to show a window with: of those that can present to `surface`, the one that `prefer` names
/// (by index or part of the name), else the best.
pub(crate) fn presenting_adapter(
    instance: &wgpu::Instance,
    surface: &wgpu::Surface<'_>,
    prefer: Option<&str>,
) -> Result<wgpu::Adapter> {
    let all = sorted_adapters(instance);
    let index = prefer.map(|name| position(&all, name)).transpose()?;
    let able = |a: &wgpu::Adapter| a.is_surface_supported(surface);
    let mut able = all.into_iter().enumerate().filter(|(i, a)| index.is_none_or(|wanted| wanted == *i) && able(a));
    let found = able.next().map(|(_, a)| a);
    found.ok_or_else(|| {
        GpuError::NoAdapter("no adapter here can present to a window; install a Vulkan driver".into()).into()
    })
}
