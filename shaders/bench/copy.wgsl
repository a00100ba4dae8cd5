// The rate of copying: every invocation goes on by as many as there are, so that neighbours read neighbours. No workgroup
// memory.

@group(0) @binding(0) var<storage, read> source: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> copied: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
    for (var i = id.x; i < arrayLength(&copied); i += workgroups.x * 64u) {
        copied[i] = source[i];
    }
}
