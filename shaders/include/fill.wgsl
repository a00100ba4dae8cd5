// fill: the weights of outputs 4 r .. 4 r + 3 for input k, from whichever kinds of source this model has.
//# if "shared" in kinds or "low-rank" in kinds or encoding == "fourier"
@group(0) @binding(2) var<storage, read> parameters: array<vec4<f32>>;
//# endif
//# if "materialised" in kinds or "low-rank" in kinds
@group(0) @binding(3) var<storage, ${ generated_access }> generated: array<vec4<f32>>;
//# endif
//# for kind in kinds
//# include "heads/" ~ kind ~ ".wgsl"
//# endfor

fn fill(tensor: Tensor, latent: u32, k: u32, r: u32) -> vec4<f32> {
    let index = k * tensor.rows4 + r;
//# if kinds | length == 1 and "materialised" in kinds
    return fill_materialised(tensor, latent, index);
//# elif kinds | length == 1 and "shared" in kinds
    return fill_shared(tensor, index);
//# else
    switch tensor.kind {
//# if "materialised" in kinds
        case 0u: { return fill_materialised(tensor, latent, index); }
//# endif
//# if "shared" in kinds
        case 1u: { return fill_shared(tensor, index); }
//# endif
//# if "linear" in kinds
        case 2u: { return fill_linear(tensor, latent, index); }
//# endif
//# if "low-rank" in kinds
        case 3u: { return fill_low_rank(tensor, latent, k, r); }
//# endif
//# if "constant" in kinds
        case 4u: { return fill_constant(tensor); }
//# endif
        default: { return vec4(0.0); }
    }
//# endif
}
