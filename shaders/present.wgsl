// Shows the evaluated picture in the window: one triangle over the viewport; no memory but the texture.
//
// The picture may be of an older or coarser view while the new one is being evaluated; `scale` and `offset`
// place it where it belongs in the view at hand (window position -> texture position, both 0 to 1).

struct View {
    scale: vec2<f32>,
    offset: vec2<f32>,
    // 1 where the window's format applies the sRGB curve itself: then it is taken back here.
    linearise: u32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
    background: vec4<f32>,
}

@group(0) @binding(0) var<uniform> view: View;
@group(0) @binding(1) var picture: texture_2d<f32>;
@group(0) @binding(2) var picture_sampler: sampler;

struct Corner {
    @builtin(position) position: vec4<f32>,
    @location(0) at: vec2<f32>,
}

@vertex
fn corner(@builtin(vertex_index) i: u32) -> Corner {
    let p = vec2(f32((i << 1u) & 2u), f32(i & 2u));
    return Corner(vec4(p.x * 2.0 - 1.0, 1.0 - p.y * 2.0, 0.0, 1.0), p);
}

@fragment
fn pixel(in: Corner) -> @location(0) vec4<f32> {
    let at = in.at * view.scale + view.offset;
    let colour = textureSampleLevel(picture, picture_sampler, at, 0.0);
    let inside = all(at >= vec2(0.0)) && all(at <= vec2(1.0));
    let over = select(view.background.rgb, mix(view.background.rgb, colour.rgb, colour.a), inside);
    let low = over / 12.92;
    let high = pow((over + 0.055) / 1.055, vec3(2.4));
    let linear = select(high, low, over <= vec3(0.04045));
    return vec4(select(over, linear, view.linearise == 1u), 1.0);
}
