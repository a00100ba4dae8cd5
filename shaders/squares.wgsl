// Sums of squares of a gradient, one a workgroup, for clipping by its norm; 256 bytes of workgroup memory.

@group(0) @binding(0) var<storage, read> gradient: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> sums: array<f32>;
//# include "include/total.wgsl"

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    var sum = 0.0;
    for (var i = workgroup.x * 64u + t; i < arrayLength(&gradient); i += workgroups.x * 64u) {
        sum += dot(gradient[i], gradient[i]);
    }
    let all = total(t, sum);
    if (t == 0u) { sums[workgroup.x] = all; }
}
