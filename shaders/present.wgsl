// Shows the evaluated picture in the window: one triangle over the canvas; no memory but the two textures.
//
// The picture may be of an older or coarser view while the new one is being evaluated; `Place`s say where on the canvas
// it, the signal it stands for and the frame of trained coordinates lie (canvas -> there, all 0 to 1).

struct Place {
    scale: vec2<f32>,
    offset: vec2<f32>,
}

struct View {
    picture: Place,
    truth: Place,
    frame: Place,
    background: vec4<f32>,
    // Of the canvas, in pixels.
    size: vec2<f32>,
    // Right of this place on the canvas the signal itself is shown; above 1: nowhere.
    divider: f32,
    // What errors and gradients are multiplied by.
    gain: f32,
    // 0 the picture, 1 its signed error, 2 the magnitude of its gradient.
    mode: u32,
    // Texels per pixel of the canvas along each side, whose mean it shows.
    samples: u32,
    // 1 where the window's format applies the sRGB curve itself: then it is taken back here.
    linearise: u32,
    // 1: darken what lies outside the frame.
    shade: u32,
}

@group(0) @binding(0) var<uniform> view: View;
@group(0) @binding(1) var picture: texture_2d<f32>;
@group(0) @binding(2) var truth: texture_2d<f32>;

struct Corner {
    @builtin(position) position: vec4<f32>,
    @location(0) at: vec2<f32>,
}

@vertex
fn corner(@builtin(vertex_index) i: u32) -> Corner {
    let p = vec2(f32((i << 1u) & 2u), f32(i & 2u));
    return Corner(vec4(p.x * 2.0 - 1.0, 1.0 - p.y * 2.0, 0.0, 1.0), p);
}

fn there(at: vec2<f32>, place: Place) -> vec2<f32> {
    return at * place.scale + place.offset;
}

fn inside(at: vec2<f32>) -> bool {
    return all(at >= vec2(0.0)) && all(at <= vec2(1.0));
}

// The picture at a place on it: the mean of a pixel's texels or, where each is a pixel or more, between the nearest
// four. By hand, since textures of full floats cannot be filtered everywhere.
fn value(at: vec2<f32>) -> vec4<f32> {
    let texels = at * vec2<f32>(textureDimensions(picture));
    let last = vec2<i32>(textureDimensions(picture)) - 1;
    let mean = view.samples > 1u;
    let n = max(i32(view.samples), 2);
    let low = floor(texels - 0.5);
    let part = texels - 0.5 - low;
    let first = vec2<i32>(select(low, round(texels - 0.5 * f32(n)), mean));
    var sum = vec4(0.0);
    for (var i = 0; i < n * n; i++) {
        let step = vec2(i % n, i / n);
        let near = select(1.0 - part, part, step == vec2(1));
        let weight = select(near.x * near.y, 1.0 / f32(n * n), mean);
        sum += weight * textureLoad(picture, clamp(first + step, vec2(0), last), 0);
    }
    // Texels of floats are not clipped; what is seen is.
    return clamp(sum, vec4(0.0), vec4(1.0));
}

fn signal(at: vec2<f32>) -> vec4<f32> {
    let size = vec2<f32>(textureDimensions(truth));
    return textureLoad(truth, vec2<i32>(clamp(at * size, vec2(0.0), size - 1.0)), 0);
}

// Black, red, yellow, white.
fn heat(t: f32) -> vec3<f32> {
    return clamp(3.0 * t - vec3(0.0, 1.0, 2.0), vec3(0.0), vec3(1.0));
}

@fragment
fn pixel(in: Corner) -> @location(0) vec4<f32> {
    let at = there(in.at, view.picture);
    let at_truth = there(in.at, view.truth);
    let background = view.background.rgb;
    var shown = background;
    if (in.at.x > view.divider && inside(at_truth)) {
        let t = signal(at_truth);
        shown = mix(background, t.rgb, t.a);
    } else if (inside(at)) {
        // The gradient of the picture as it is shown: central differences over a pixel of the canvas to each side, root
        // mean square over channels. (One loop for all that is looked up: drivers inline functions wherever they are
        // called, and software ones take a second to compile many copies.)
        let slopes = view.mode == 2u;
        let pixel = select(vec2(0.0), view.picture.scale / view.size, slopes);
        var along = array<vec4<f32>, 2>(vec4(0.0), vec4(0.0));
        for (var i = 0; i < select(1, 4, slopes); i++) {
            let side = select(1.0, -1.0, (i & 1) == 1);
            let way = select(vec2(side, 0.0), vec2(0.0, side), i > 1);
            along[i >> 1u] += side * value(at + way * pixel);
        }
        let p = along[0];
        if (view.mode == 0u) {
            shown = mix(background, p.rgb, p.a);
        } else if (slopes) {
            shown = heat(view.gain * sqrt((dot(along[0].rgb, along[0].rgb) + dot(along[1].rgb, along[1].rgb)) / 12.0));
        } else if (inside(at_truth)) {
            shown = clamp(0.5 + 0.5 * view.gain * (p.rgb - signal(at_truth).rgb), vec3(0.0), vec3(1.0));
        }
    }
    if (view.shade == 1u && !inside(there(in.at, view.frame))) {
        let stripe = fract((in.position.x + in.position.y) / 16.0) < 0.5;
        shown = mix(shown, background, select(0.45, 0.6, stripe));
    }
    let low = shown / 12.92;
    let high = pow((shown + 0.055) / 1.055, vec3(2.4));
    let linear = select(high, low, shown <= vec3(0.04045));
    return vec4(select(shown, linear, view.linearise == 1u), 1.0);
}
