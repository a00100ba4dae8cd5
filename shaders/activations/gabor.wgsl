// The real Gabor wavelet: cos(omega u) exp(-(b u)^2), with a = omega / 2 pi; no memory.
fn activate_gabor(u: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    let v = b * u;
    return cosine_turns(a * u) * exp(-v * v);
}
