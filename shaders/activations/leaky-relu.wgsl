// u where it is positive, a u elsewhere; no memory.
fn activate_leaky_relu(u: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    return select(a * u, u, u > vec4(0.0));
}
//# if slopes

// 1 where u is positive, else a
fn slope_leaky_relu(u: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    return select(vec4(a), vec4(1.0), u > vec4(0.0));
}
//# endif
//# if curvatures

// None, but for the corner.
fn curvature_leaky_relu(u: vec4<f32>, s: vec4<f32>, s1: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    return vec4(0.0);
}
//# endif
//# if thirds

// None, but for the corner.
fn third_leaky_relu(u: vec4<f32>, s: vec4<f32>, s1: vec4<f32>, s2: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    return vec4(0.0);
}
//# endif
