// activate: one of the activations that this model has; codes as in `gpu/layout.rs`.
//# include "include/functions.wgsl"
//# for activation in activations
//# include "activations/" ~ activation.kind ~ ".wgsl"
//# endfor

fn activate(code: u32, u: vec4<f32>, a: f32, b: f32) -> vec4<f32> {
//# if activations | length == 1
    return activate_${ activations[0].kind | replace("-", "_") }(u, a, b);
//# elif activations | length > 1
    switch code {
//# for activation in activations
        case ${ activation.code }u: { return activate_${ activation.kind | replace("-", "_") }(u, a, b); }
//# endfor
        default: { return u; }
    }
//# else
    return u;
//# endif
}
