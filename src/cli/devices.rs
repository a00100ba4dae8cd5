//! `devices`: what can compute here.

use anyhow::Result;
use clap::Args;
use hypersine::{cpu, gpu};
use serde_json::json;

use super::Global;

/// List adapters, their tiers and limits, and the CPU backend
#[derive(Args)]
pub(super) struct Devices {}

impl Devices {
    #[expect(clippy::unused_self, reason = "every command is a method of its arguments")]
    pub(super) fn run(&self, global: &Global) -> Result<()> {
        let adapters = gpu::adapters();
        let json = json!({"adapters": adapters, "cpu": {"threads": cpu::threads(), "vector_unit": cpu::vector_unit()}});
        global.report(&json, || {
            let mut lines = Vec::new();
            for (i, a) in adapters.iter().enumerate() {
                lines.push(format!("{i}    {} ({}, {}), driver {}", a.name, a.kind, a.backend, a.driver));
                lines.push(format!(
                    "     tier {}, subgroups {} to {}, {} KiB workgroup memory, bindings to {} MiB, buffers to {} MiB, {}",
                    a.tier,
                    a.subgroup[0],
                    a.subgroup[1],
                    a.workgroup_memory >> 10,
                    a.max_binding >> 20,
                    a.max_buffer >> 20,
                    if a.timestamps { "GPU timestamps" } else { "wall clock only" }
                ));
            }
            if adapters.is_empty() {
                lines.push("no GPU adapter: is a Vulkan driver installed?".into());
            }
            lines.push(format!("cpu  {} threads, vector unit {}", cpu::threads(), cpu::vector_unit()));
            lines.join("\n")
        });
        Ok(())
    }
}
