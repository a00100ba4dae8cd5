// activate: one of the activations that this model has; codes as in `gpu/layout.rs`. Where the kernel wants them its
// derivatives: slope, curvature from the value s and the slope s1 at u, and third from these and the curvature s2.
//# include "include/functions.wgsl"
//# for activation in activations
//# include "activations/" ~ activation.kind ~ ".wgsl"
//# endfor
//# set functions = [["activate", true, "", "u"], ["slope", slopes, "", "vec4(1.0)"]]
//# set more = [["curvature", curvatures, "s, s1, ", "vec4(0.0)"], ["third", thirds, "s, s1, s2, ", "vec4(0.0)"]]
//# for function, wanted, known, of_none in functions + more if wanted

fn ${ function }(code: u32, u: vec4<f32>, ${ known | replace(",", ": vec4<f32>,") }a: f32, b: f32) -> vec4<f32> {
//# if activations | length == 1
    return ${ function }_${ activations[0].kind | replace("-", "_") }(u, ${ known }a, b);
//# elif activations | length > 1
    switch code {
//# for activation in activations
        case ${ activation.code }u: { return ${ function }_${ activation.kind | replace("-", "_") }(u, ${ known }a, b); }
//# endfor
        default: { return ${ of_none }; }
    }
//# else
    return ${ of_none };
//# endif
}
//# endfor
