// The rate of multiply-adds: x = a x + b in chains that do not depend on each other, in registers alone. Every invocation
// leaves the sum of its chains, so that none is left out. No workgroup memory.

// The factor and the summand of every step, then where chains start.
@group(0) @binding(0) var<storage, read> seeds: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> sums: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    if i >= arrayLength(&sums) {
        return;
    }
    let a = seeds[0];
    let b = seeds[1];
//# for k in range(chains)
    var x${ k } = seeds[2u + (i + ${ 37 * k }u) % 64u];
//# endfor
    for (var round = 0u; round < ${ rounds }u; round++) {
//# for step in range(unroll)
//# for k in range(chains)
        x${ k } = fma(a, x${ k }, b);
//# endfor
//# endfor
    }
    var sum = vec4(0.0);
//# for k in range(chains)
    sum += x${ k };
//# endfor
    sums[i] = sum;
}
