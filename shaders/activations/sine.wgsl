// sin(2 pi t) of four arguments given in turns, to 2.5e-7 whatever the vendor's own sin does; no memory.
//
// t - round(t) is exact, so a large argument costs no accuracy beyond its own rounding. The fold into a
// quarter turn is exact too; there an odd polynomial of degree 9 (minimax on |s| <= 1/4) takes over.
fn sine_turns(t: vec4<f32>) -> vec4<f32> {
    let r = t - round(t);
    let a = abs(r);
    let s = sign(r) * min(a, 0.5 - a);
    let z = s * s;
    var p = vec4(39.536705);
    p = fma(p, z, vec4(-76.54978));
    p = fma(p, z, vec4(81.601006));
    p = fma(p, z, vec4(-41.341656));
    p = fma(p, z, vec4(6.283185));
    return p * s;
}
