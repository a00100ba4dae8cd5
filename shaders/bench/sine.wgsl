// The rate of sines: sums of the sines of t, t + b, t + 2 b, ... turns in chains that do not depend on each other, in
// registers alone; the kernels' own sine, or WGSL's. No workgroup memory.

//# include "include/functions.wgsl"

// What is not used, the step of every chain, then where chains start.
@group(0) @binding(0) var<storage, read> seeds: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> sums: array<vec4<f32>>;

fn sine(t: vec4<f32>) -> vec4<f32> {
//# if builtin
    return sin(TURN * (t - round(t)));
//# else
    return sine_turns(t);
//# endif
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    if i >= arrayLength(&sums) {
        return;
    }
    let b = seeds[1];
//# for k in range(chains)
    var t${ k } = seeds[2u + (i + ${ 37 * k }u) % 64u];
    var sum${ k } = vec4(0.0);
//# endfor
    for (var turn = 0u; turn < ${ rounds }u; turn++) {
//# for step in range(unroll)
//# for k in range(chains)
        sum${ k } += sine(t${ k });
        t${ k } += b;
//# endfor
//# endfor
    }
    var sum = vec4(0.0);
//# for k in range(chains)
    sum += sum${ k };
//# endfor
    sums[i] = sum;
}
