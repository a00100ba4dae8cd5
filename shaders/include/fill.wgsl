// fill: four weights of one tensor (outputs 4 r .. 4 r + 3 of input k lie at index k * rows4 + r),
// from whichever head kinds this model has.
//# if "shared" in kinds or "linear" in kinds
@group(0) @binding(2) var<storage, read> parameters: array<vec4<f32>>;
//# endif
//# for kind in kinds
//# include "heads/" ~ kind ~ ".wgsl"
//# endfor

fn fill(tensor: Tensor, latent: u32, index: u32) -> vec4<f32> {
//# if kinds | length > 1
    switch tensor.kind {
//# if "materialised" in kinds
        case 0u: { return fill_materialised(tensor, latent, index); }
//# endif
//# if "linear" in kinds
        case 2u: { return fill_linear(tensor, latent, index); }
//# endif
        default: { return fill_shared(tensor, index); }
    }
//# elif "materialised" in kinds
    return fill_materialised(tensor, latent, index);
//# elif "linear" in kinds
    return fill_linear(tensor, latent, index);
//# else
    return fill_shared(tensor, index);
//# endif
}
