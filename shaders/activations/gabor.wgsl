// The real Gabor wavelet: cos(omega u) exp(-(b u)^2), with a = omega / 2 pi; no memory.
fn activate_gabor(u: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    let v = b * u;
    return cosine_turns(a * u) * exp(-v * v);
}
//# if slopes

// -(omega sin(omega u) + 2 b^2 u cos(omega u)) exp(-(b u)^2)
fn slope_gabor(u: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    let v = b * u;
    return -(TURN * a * sine_turns(a * u) + 2.0 * b * v * cosine_turns(a * u)) * exp(-v * v);
}
//# endif
//# if curvatures

// With c = 2 b^2: -(omega^2 + c + (c u)^2) s - 2 c u s1
fn curvature_gabor(u: vec4<f32>, s: vec4<f32>, s1: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    let w = TURN * a;
    let c = 2.0 * b * b;
    let v = c * u;
    return -(w * w + c + v * v) * s - 2.0 * v * s1;
}
//# endif
//# if thirds

// The derivative of that: -(omega^2 + 3 c + (c u)^2) s1 - 2 c u (c s + s2)
fn third_gabor(u: vec4<f32>, s: vec4<f32>, s1: vec4<f32>, s2: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    let w = TURN * a;
    let c = 2.0 * b * b;
    let v = c * u;
    return -(w * w + 3.0 * c + v * v) * s1 - 2.0 * v * fma(vec4(c), s, s2);
}
//# endif
