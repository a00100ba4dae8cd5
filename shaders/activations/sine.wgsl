// sin(omega u), with a = omega / 2 pi; no memory.
fn activate_sine(u: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    return sine_turns(a * u);
}
//# if slopes

// omega cos(omega u)
fn slope_sine(u: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    return TURN * a * cosine_turns(a * u);
}
//# endif
//# if curvatures

// -omega^2 s
fn curvature_sine(u: vec4<f32>, s: vec4<f32>, s1: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    return -(TURN * a) * (TURN * a) * s;
}
//# endif
//# if thirds

// -omega^2 s1
fn third_sine(u: vec4<f32>, s: vec4<f32>, s1: vec4<f32>, s2: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    return -(TURN * a) * (TURN * a) * s1;
}
//# endif
