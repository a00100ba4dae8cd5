// exp(-(a u)^2); no memory.
fn activate_gaussian(u: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    let v = a * u;
    return exp(-v * v);
}
//# if slopes

// -2 a^2 u exp(-(a u)^2)
fn slope_gaussian(u: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    return -2.0 * a * a * u * activate_gaussian(u, a, b);
}
//# endif
//# if curvatures

// -2 a^2 (s + u s1)
fn curvature_gaussian(u: vec4<f32>, s: vec4<f32>, s1: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    return -2.0 * a * a * fma(u, s1, s);
}
//# endif
//# if thirds

// -2 a^2 (2 s1 + u s2)
fn third_gaussian(u: vec4<f32>, s: vec4<f32>, s1: vec4<f32>, s2: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    return -2.0 * a * a * fma(u, s2, 2.0 * s1);
}
//# endif
