// max(u, 0); no memory.
fn activate_relu(u: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    return max(u, vec4(0.0));
}
//# if slopes

// 1 where u is positive, else 0
fn slope_relu(u: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    return select(vec4(0.0), vec4(1.0), u > vec4(0.0));
}
//# endif
//# if curvatures

// None, but for the corner.
fn curvature_relu(u: vec4<f32>, s: vec4<f32>, s1: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    return vec4(0.0);
}
//# endif
//# if thirds

// None, but for the corner.
fn third_relu(u: vec4<f32>, s: vec4<f32>, s1: vec4<f32>, s2: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    return vec4(0.0);
}
//# endif
