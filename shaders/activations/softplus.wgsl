// ln(1 + exp(a u)) / a, from an exponential that cannot overflow; no memory.
fn activate_softplus(u: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
    let v = a * u;
    return (max(v, vec4(0.0)) + ln_one_plus(exp(-abs(v)))) / a;
}
