// A signed distance known from oriented points of its surface: targets are the normals, [latents][on][3]; see
// `model/objective/oriented.rs`; no memory.
fn cost_of(samples: vec4<u32>, o: u32, jet: Jet) -> Cost {
    var cost: Cost;
    let f = jet[0];
    let norm = max(sqrt(fma(jet[1], jet[1], fma(jet[2], jet[2], jet[3] * jet[3]))), vec4(1e-8));
    // Elsewhere than on the surface there are no normals: zeros, which cost nothing.
    var normals: array<vec4<f32>, 3>;
    let p = samples % job.samples;
    let on = p < vec4(job.on);
    for (var j = 0u; j < 4u; j++) {
        let at = (samples[j] / job.samples * job.on + p[j]) * 3u;
        if (on[j]) {
//# for k in range(3)
            normals[${ k }][j] = targets[at + ${ k }u];
//# endfor
        }
    }
    let cosine = fma(jet[1], normals[0], fma(jet[2], normals[1], jet[3] * normals[2])) / norm;
    let price = job.off * exp(-job.sharpness * abs(f));
    cost.loss = job.eikonal * abs(norm - 1.0) + select(price, job.value * abs(f) + job.normal * (1.0 - cosine), on);
    cost.gradient[0] = sign(f) * select(-job.sharpness * price, vec4(job.value), on);
    let bend = job.eikonal * sign(norm - 1.0);
//# for k in range(3)
    cost.gradient[${ k + 1 }] = (fma(job.normal * cosine, jet[${ k + 1 }] / norm, bend * jet[${ k + 1 }]) - job.normal * normals[${ k }]) / norm;
//# endfor
    return cost;
}
