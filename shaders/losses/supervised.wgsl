// Given outputs or derivatives: targets are [latents][samples][compared columns][outputs]; no memory.
fn cost_of(samples: vec4<u32>, o: u32, jet: Jet) -> Cost {
    var cost: Cost;
//# for c in range(compared)
    {
        var t = vec4(0.0);
        for (var j = 0u; j < 4u; j++) { t[j] = targets[(samples[j] * ${ compared }u + ${ c }u) * OUTPUTS + o]; }
        var y = jet[${ first + c }];
//# if importance
        cost.distance += abs(y - t);
//# endif
//# if clamped
        let inside = abs(y) <= vec4(job.within);
        y = clamp(y, vec4(-job.within), vec4(job.within));
        t = clamp(t, vec4(-job.within), vec4(job.within));
//# endif
        let d = y - t;
//# if loss == "mse"
        cost.loss += d * d;
        let gradient = 2.0 * d;
//# elif loss == "l1"
        cost.loss += abs(d);
        let gradient = sign(d);
//# else
        // Binary cross-entropy of logits: max(y, 0) - y t + ln(1 + exp(-|y|)).
        let e = exp(-abs(y));
        cost.loss += max(y, vec4(0.0)) - y * t + ln_one_plus(e);
        let gradient = select(vec4(1.0), e, y < vec4(0.0)) / (1.0 + e) - t;
//# endif
        cost.gradient[${ first + c }] = ${ "select(vec4(0.0), gradient, inside)" if clamped else "gradient" };
    }
//# endfor
//# if eikonal
    // (|slopes| - 1)^2. At a gradient of 0 there is no direction to grow in.
    var squares = jet[1] * jet[1];
//# for k in range(2, inputs + 1)
    squares = fma(jet[${ k }], jet[${ k }], squares);
//# endfor
    let norm = sqrt(squares);
    let off = norm - 1.0;
    cost.loss += job.eikonal * off * off;
    let slope = 2.0 * job.eikonal * off / max(norm, vec4(1e-8));
//# for k in range(1, inputs + 1)
    cost.gradient[${ k }] += slope * jet[${ k }];
//# endfor
//# endif
    return cost;
}
