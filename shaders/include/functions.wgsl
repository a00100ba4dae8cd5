// Functions whose accuracy WGSL does not promise, on four numbers at a time; no memory. The CPU twin computes
// them alike (`math/real.rs`).

const TURN = 6.2831855;

// sin(2 pi s) on |s| <= 1/4: an odd polynomial of degree 9, a minimax fit with an error of 3.3e-9.
fn quarter_turn(s: vec4<f32>) -> vec4<f32> {
    let z = s * s;
    var p = vec4(39.536705);
    p = fma(p, z, vec4(-76.54978));
    p = fma(p, z, vec4(81.601006));
    p = fma(p, z, vec4(-41.341656));
    p = fma(p, z, vec4(6.283185));
    return p * s;
}

// sin(2 pi t) to 2.5e-7, whatever the vendor's own sin does: t - round(t) is exact, so a large argument costs no
// accuracy beyond its own rounding, and so is the fold into a quarter turn.
fn sine_turns(t: vec4<f32>) -> vec4<f32> {
    let r = t - round(t);
    let a = abs(r);
    return quarter_turn(sign(r) * min(a, 0.5 - a));
}

// cos(2 pi t), as accurate.
fn cosine_turns(t: vec4<f32>) -> vec4<f32> {
    return quarter_turn(0.25 - abs(t - round(t)));
}

// ln(1 + e) for 0 <= e <= 1: 2 atanh(e / (2 + e)) as a series.
fn ln_one_plus(e: vec4<f32>) -> vec4<f32> {
    let s = e / (2.0 + e);
    let z = s * s;
    var p = vec4(1.0 / 13.0);
    p = fma(p, z, vec4(1.0 / 11.0));
    p = fma(p, z, vec4(1.0 / 9.0));
    p = fma(p, z, vec4(1.0 / 7.0));
    p = fma(p, z, vec4(1.0 / 5.0));
    p = fma(p, z, vec4(1.0 / 3.0));
    return 2.0 * s * fma(p, z, vec4(1.0));
}
