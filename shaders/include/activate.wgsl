// activate: one of the activations that this model has; codes as in `gpu/layout.rs`. slope: its derivative, where the
// kernel wants it. curvature: its second one, from the value s and the slope s1 at u.
//# include "include/functions.wgsl"
//# for activation in activations
//# include "activations/" ~ activation.kind ~ ".wgsl"
//# endfor
//# for function in (["activate", "slope"] if slopes else ["activate"])

fn ${ function }(code: u32, u: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
//# if activations | length == 1
    return ${ function }_${ activations[0].kind | replace("-", "_") }(u, a, b);
//# elif activations | length > 1
    switch code {
//# for activation in activations
        case ${ activation.code }u: { return ${ function }_${ activation.kind | replace("-", "_") }(u, a, b); }
//# endfor
        default: { return ${ "u" if function == "activate" else "vec4(1.0)" }; }
    }
//# else
    return ${ "u" if function == "activate" else "vec4(1.0)" };
//# endif
}
//# endfor
//# if curvatures

fn curvature(code: u32, u: vec4<f32>, s: vec4<f32>, s1: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
//# if activations | length == 1
    return curvature_${ activations[0].kind | replace("-", "_") }(u, s, s1, a, b);
//# elif activations | length > 1
    switch code {
//# for activation in activations
        case ${ activation.code }u: { return curvature_${ activation.kind | replace("-", "_") }(u, s, s1, a, b); }
//# endfor
        default: { return vec4(0.0); }
    }
//# else
    return vec4(0.0);
//# endif
}
//# endif
