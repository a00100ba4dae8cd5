// 1 / (1 + exp(-u)), from an exponential that cannot overflow; no memory.
fn activate_sigmoid(u: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    let e = exp(-abs(u));
    return select(vec4(1.0), e, u < vec4(0.0)) / (1.0 + e);
}
//# if slopes

// s (1 - s)
fn slope_sigmoid(u: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    let s = activate_sigmoid(u, a, b);
    return s * (1.0 - s);
}
//# endif
//# if curvatures

// s1 (1 - 2 s)
fn curvature_sigmoid(u: vec4<f32>, s: vec4<f32>, s1: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    return s1 * (1.0 - 2.0 * s);
}
//# endif
//# if thirds

// s2 (1 - 2 s) - 2 s1^2
fn third_sigmoid(u: vec4<f32>, s: vec4<f32>, s1: vec4<f32>, s2: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    return s2 * (1.0 - 2.0 * s) - 2.0 * s1 * s1;
}
//# endif
