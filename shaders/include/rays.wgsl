// Rays, the rules by which they go on, and what becomes of them; must agree with `gpu/march/mod.rs`.
struct Rules {
    // A value's height is how far outside it is: outwards * (value - level).
    level: f32,
    outwards: f32,
    // The longest gradient.
    bound: f32,
    relaxation: f32,
    // The length of an equal step; on the way to a light, of the least one.
    step: f32,
    // Near and polished are in widths of a pixel.
    near: f32,
    polished: f32,
    flattest: f32,
    fleeing: f32,
    // A light's radius.
    radius: f32,
    // Values that a ray may take, and how many of these from where it is near.
    most: u32,
    polishes: u32,
    // Rays in all.
    rays: u32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
}

struct Track {
    origin: vec3<f32>,
    before: f32,
    direction: vec3<f32>,
    length: f32,
    footprint: vec2<f32>,
    slope: f32,
    pad: f32,
}

// What a ray has become, above the number of values that it took. 0 while it is on its way.
const ENDED = 0x80000000u;
const HIT = 0x40000000u;
const CUT = 0x20000000u;
const LOST = 0x10000000u;
const BROKEN = 0x08000000u;

@group(0) @binding(0) var<uniform> rules: Rules;
@group(0) @binding(1) var<storage, read> tracks: array<Track>;

fn is_finite(value: f32) -> bool {
    // By its bits: a compiler may suppose that there are no others.
    return (bitcast<u32>(value) & 0x7f800000u) != 0x7f800000u;
}
