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
