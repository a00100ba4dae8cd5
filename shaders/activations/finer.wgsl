// FINER: sin(omega (|u| + 1) u), with a = omega / 2 pi; no memory.
fn activate_finer(u: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    return sine_turns(a * ((abs(u) + 1.0) * u));
}
//# if slopes

// omega (2 |u| + 1) cos(omega (|u| + 1) u)
fn slope_finer(u: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    let v = abs(u);
    return TURN * a * (2.0 * v + 1.0) * cosine_turns(a * ((v + 1.0) * u));
}
//# endif
