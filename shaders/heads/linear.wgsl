// Full weights as a linear map of the trunk's features, vec(W) = H h + c: feature_count vec4 loads per vec4.
//
// H is stored by feature (k-major), so that neighbouring invocations read neighbouring addresses; its
// last row is c. The materialise path computes the same sums in product.wgsl, many latents at a time.
@group(0) @binding(4) var<storage, read> features: array<f32>;
//# set page_binding = 7
//# include "include/page.wgsl"

fn fill_linear(tensor: Tensor, latent: u32, index: u32) -> vec4<f32> {
    let h = latent * job.feature_stride + tensor.features;
    var at = tensor.base + index;
    var sum = vec4(0.0);
    for (var j = 0u; j < tensor.feature_count; j++) {
        sum = fma(vec4(features[h + j]), paged(at), sum);
        at += tensor.length;
    }
    return PAGE_UNIT * (sum + paged(at));
}
