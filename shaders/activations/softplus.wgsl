// ln(1 + exp(a u)) / a, from an exponential that cannot overflow; no memory.
fn activate_softplus(u: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    let v = a * u;
    return (max(v, vec4(0.0)) + ln_one_plus(exp(-abs(v)))) / a;
}
//# if slopes

// 1 / (1 + exp(-a u))
fn slope_softplus(u: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    let e = exp(-abs(a * u));
    return select(vec4(1.0), e, a * u < vec4(0.0)) / (1.0 + e);
}
//# endif
//# if curvatures

// a s1 (1 - s1)
fn curvature_softplus(u: vec4<f32>, s: vec4<f32>, s1: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    return a * s1 * (1.0 - s1);
}
//# endif
//# if thirds

// a s2 (1 - 2 s1)
fn third_softplus(u: vec4<f32>, s: vec4<f32>, s1: vec4<f32>, s2: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    return a * s2 * (1.0 - 2.0 * s1);
}
//# endif
