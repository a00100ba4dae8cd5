// W0 times a function of M = U V / sqrt(r), element by element: rank + rank / 4 vec4 loads per vec4. Division by the
// rows' norms, where the head demodulates, is the caller's: only it sees whole rows.
//
// U lies as [rank][rows4] vec4s, V as [inputs][rank / 4], in the latent's row of `generated`.

// M
fn low_rank_product(tensor: Tensor, latent: u32, k: u32, r: u32) -> vec4<f32> {
    let row = latent * job.theta_stride;
    let v_at = row + tensor.features + k * tensor.feature_count;
    var u_at = row + tensor.factors + r;
    var m = vec4(0.0);
    for (var q = 0u; q < tensor.feature_count; q++) {
        let v = generated[v_at + q];
        m = fma(generated[u_at], vec4(v.x), m);
        m = fma(generated[u_at + tensor.rows4], vec4(v.y), m);
        m = fma(generated[u_at + 2u * tensor.rows4], vec4(v.z), m);
        m = fma(generated[u_at + 3u * tensor.rows4], vec4(v.w), m);
        u_at += 4u * tensor.rows4;
    }
    return m * tensor.scale;
}

// What W0 is multiplied by.
fn low_rank_factor(multiplier: u32, m: vec4<f32>) -> vec4<f32> {
    let e = exp(-abs(m) * select(1.0, 2.0, multiplier == 1u));
    if (multiplier == 1u) { return 1.0 + sign(m) * (1.0 - e) / (1.0 + e); }
    if (multiplier == 2u) { return 0.5 + select(vec4(1.0), e, m < vec4(0.0)) / (1.0 + e); }
    return m + 1.0;
}

fn fill_low_rank(tensor: Tensor, latent: u32, k: u32, r: u32) -> vec4<f32> {
    let factor = low_rank_factor(tensor.multiplier, low_rank_product(tensor, latent, k, r));
    return parameters[tensor.base + k * tensor.rows4 + r] * factor;
}
