//! `devices`: what can compute here.

use anyhow::Result;
use clap::Args;
use hypersine::engine::{CostModel, Engine};
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
        let measured: Vec<Option<CostModel>> = adapters.iter().map(|a| CostModel::load(&a.describe())).collect();
        let tiles = adapters.iter().map(gpu::tiles).collect::<Result<Vec<_>, _>>()?;
        let cpu_costs = Engine::cpu().costs().copied();
        let json = json!({
            "adapters": adapters,
            "costs": measured,
            "tiles": tiles.iter().map(|(tiles, source)| json!({"source": source, "tiles": tiles})).collect::<Vec<_>>(),
            "cpu": {"threads": cpu::threads(), "vector_unit": cpu::vector_unit(), "costs": cpu_costs},
        });
        global.report(&json, || {
            let mut lines = Vec::new();
            for (i, ((a, costs), (tiles, source))) in adapters.iter().zip(&measured).zip(&tiles).enumerate() {
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
                lines.push(format!("     {}", strategy(costs.as_ref())));
                lines.push(match tiles.len() {
                    0 => format!("     tiles {source}"),
                    n => format!("     {n} tiles {source}, the others by rule"),
                });
            }
            if adapters.is_empty() {
                lines.push("no GPU adapter: is a Vulkan driver installed?".into());
            }
            lines.push(format!("cpu  {} threads, vector unit {}", cpu::threads(), cpu::vector_unit()));
            lines.push(format!("     {}", strategy(cpu_costs.as_ref())));
            lines.join("\n")
        });
        Ok(())
    }
}

/// By what `--strategy auto` picks on a device.
fn strategy(costs: Option<&CostModel>) -> String {
    match costs {
        None => "auto materializes: fused was never measured here (`hypersine bench crossover` does)".into(),
        Some(c) => {
            let s = c.seconds;
            format!(
                "auto picks by {} measured times ({:.0} % of {} others within 1.25x of the better): {:.0} us a dispatch; ps per multiply-add: generate {:.1}, write {:.1}, evaluate {:.1}, load {:.1}, fill {:.1}",
                c.fitted,
                c.within * 100.0,
                c.held_out,
                s.dispatches * 1e6,
                s.generated * 1e12,
                s.written * 1e12,
                s.evaluated * 1e12,
                s.loaded * 1e12,
                s.filled * 1e12
            )
        }
    }
}
