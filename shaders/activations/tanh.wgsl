// tanh(u), from an exponential that cannot overflow; no memory.
fn activate_tanh(u: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    let e = exp(-2.0 * abs(u));
    return sign(u) * (1.0 - e) / (1.0 + e);
}
//# if slopes

// 1 - tanh(u)^2
fn slope_tanh(u: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    let t = activate_tanh(u, a, b);
    return 1.0 - t * t;
}
//# endif
//# if curvatures

// -2 s s1
fn curvature_tanh(u: vec4<f32>, s: vec4<f32>, s1: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    return -2.0 * s * s1;
}
//# endif
//# if thirds

// 2 s1 (2 s^2 - s1)
fn third_tanh(u: vec4<f32>, s: vec4<f32>, s1: vec4<f32>, s2: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    return 2.0 * s1 * (2.0 * s * s - s1);
}
//# endif
