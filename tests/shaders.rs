//! Every kernel parses, validates without any optional capability, and translates to HLSL and MSL: the
//! cheapest proof of "any GPU" that a machine without one can give.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use hypersine::gpu::shader::{Kernels, kernels};
use naga::back::{hlsl, msl};
use naga::valid::{Capabilities, ShaderStages, SubgroupOperationSet, ValidationFlags, Validator};

/// WebGPU's default limits.
const INVOCATIONS: u32 = 256;
const WORKGROUP_BYTES: u32 = 16 << 10;

#[test]
fn every_kernel_is_portable() {
    let Kernels { mut portable, subgroup, f16 } = kernels();
    portable.extend(hypersine::bench::kernels());
    let mut largest = 0;
    // WGSL's own packing of two halves into 32 bits, which WebGPU has everywhere; no type of 16 bits.
    let core = Capabilities::SHADER_FLOAT16_IN_FLOAT32;
    let lists =
        [(&portable, core), (&subgroup, core | Capabilities::SUBGROUP), (&f16, core | Capabilities::SHADER_FLOAT16)];
    let all = lists.into_iter().flat_map(|(list, capabilities)| list.iter().map(move |k| (k, capabilities)));
    for ((name, text), capabilities) in all {
        let module =
            naga::front::wgsl::parse_str(text).unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string(text)));
        let info = Validator::new(ValidationFlags::all(), capabilities)
            .subgroup_stages(ShaderStages::COMPUTE)
            .subgroup_operations(SubgroupOperationSet::all())
            .validate(&module)
            .unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string(text)));

        for entry in &module.entry_points {
            let [x, y, z] = entry.workgroup_size;
            assert!(x * y * z <= INVOCATIONS, "{name}: {x}x{y}x{z} invocations");
        }
        let mut layouter = naga::proc::Layouter::default();
        layouter.update(module.to_ctx()).unwrap();
        let shared = module.global_variables.iter().filter(|(_, v)| v.space == naga::AddressSpace::WorkGroup);
        let bytes: u32 = shared.map(|(_, v)| layouter[v.ty].size).sum();
        assert!(bytes <= WORKGROUP_BYTES, "{name}: {bytes} bytes of workgroup memory");
        largest = largest.max(bytes);
        let is_storage = |space| matches!(space, naga::AddressSpace::Storage { .. });
        assert!(
            module.global_variables.iter().filter(|(_, v)| is_storage(v.space)).count() <= 8,
            "{name}: storage buffers"
        );

        let is_half = capabilities.contains(Capabilities::SHADER_FLOAT16);
        let shader_model = if is_half { hlsl::ShaderModel::V6_2 } else { hlsl::ShaderModel::V6_0 };
        let options = hlsl::Options { fake_missing_bindings: true, shader_model, ..hlsl::Options::default() };
        let pipeline = hlsl::PipelineOptions::default();
        let mut out = String::new();
        hlsl::Writer::new(&mut out, &options, &pipeline)
            .write(&module, &info, None)
            .unwrap_or_else(|e| panic!("{name}: HLSL: {e}"));
        assert!(out.contains("numthreads") || name == "present");

        let options = msl::Options { fake_missing_bindings: true, lang_version: (2, 4), ..msl::Options::default() };
        let (out, _) = msl::write_string(&module, &info, &options, &msl::PipelineOptions::default())
            .unwrap_or_else(|e| panic!("{name}: MSL: {e}"));
        assert!(out.contains("kernel") || name == "present");
    }
    let (portable, subgroup, f16) = (portable.len(), subgroup.len(), f16.len());
    println!(
        "{portable} kernels, {subgroup} with subgroups and {f16} with numbers of 16 bits translate to HLSL and MSL; at most {largest} bytes of workgroup memory"
    );
    assert!(portable > 50 && subgroup > 20 && f16 > 20);
}
