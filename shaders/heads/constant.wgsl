// A number that is the same everywhere: the gain or shift that a modulation leaves out; no memory.
fn fill_constant(tensor: Tensor) -> vec4<f32> {
    return vec4(bitcast<f32>(tensor.base));
}
