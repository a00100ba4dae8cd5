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
//# if curvatures

// With v = (|u| + 1) u: omega v'' cos(omega v) - (omega v')^2 s, where v' = 2 |u| + 1 and v'' = 2 or -2
fn curvature_finer(u: vec4<f32>, s: vec4<f32>, s1: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    let v1 = 2.0 * abs(u) + 1.0;
    let w = TURN * a * v1;
    return select(vec4(-2.0), vec4(2.0), u > vec4(0.0)) * s1 / v1 - w * w * s;
}
//# endif
//# if thirds

// -omega v' (3 omega v'' s + omega v' s1), for v has no third derivative
fn third_finer(u: vec4<f32>, s: vec4<f32>, s1: vec4<f32>, s2: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    let w1 = TURN * a * (2.0 * abs(u) + 1.0);
    let w2 = select(vec4(-2.0), vec4(2.0), u > vec4(0.0)) * TURN * a;
    return -w1 * fma(3.0 * w2, s, w1 * s1);
}
//# endif
