//# if begin
// Begins a march: every ray is asked about where it starts. One invocation per ray; no workgroup memory.
//# else
// A round of a march: every ray takes the value at the place it asked about (`advance`), and asks about the next or has
// ended. One invocation per ray that is left; 260 bytes of workgroup memory.
//
// Those that go on move together, so that no later round has idle ones among them: within a workgroup in their order, by
// a prefix sum, and workgroups in the order in which they come. That order is not always the same, but what a ray finds
// does not depend on its place in the list.
//# endif

//# include "include/rays.wgsl"
//# include "include/counts.wgsl"
//# include "walks/" ~ walk ~ ".wgsl"
// By ray.
@group(0) @binding(2) var<storage, read_write> walkers: array<Walker>;
// The rays of this round and those of the next, in turns.
@group(0) @binding(3) var<storage, read_write> lists: array<u32>;
// By place in the list: where a value is asked for.
@group(0) @binding(4) var<storage, read_write> points: array<f32>;
//# if not begin
@group(0) @binding(5) var<storage, read> values: array<f32>;
// By ray: where it ended, what it has become.
@group(0) @binding(6) var<storage, read_write> outcomes: array<vec2<u32>>;
@group(0) @binding(7) var<storage, read_write> counts: Counts;
//# endif

fn ask(slot: u32, track: Track, at: f32) {
    let place = track.origin + at * track.direction;
    points[3u * slot] = place.x;
    points[3u * slot + 1u] = place.y;
    points[3u * slot + 2u] = place.z;
}
//# if begin

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let ray = id.x;
    if (ray < rules.rays) {
        walkers[ray] = start();
        lists[ray] = ray;
        ask(ray, tracks[ray], 0.0);
    }
}
//# else

var<workgroup> before: array<u32, 64>;
var<workgroup> first: u32;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let here = id.x;
    var goes_on = false;
    var ray = 0u;
    var walker = start();
    if (here < counts.left) {
        ray = lists[counts.start + here];
        walker = walkers[ray];
        let value = values[here];
        var end = ENDED | BROKEN;
        if (is_finite(value)) {
            end = advance(tracks[ray], &walker, rules.outwards * (value - rules.level));
        }
        goes_on = end == 0u;
        if (goes_on) {
            walkers[ray] = walker;
        } else {
            outcomes[ray] = vec2(bitcast<u32>(walker.at), end | walker.steps);
        }
    }

    before[t] = u32(goes_on);
    workgroupBarrier();
    for (var apart = 1u; apart < 64u; apart *= 2u) {
        var others = 0u;
        if (t >= apart) { others = before[t - apart]; }
        workgroupBarrier();
        before[t] += others;
        workgroupBarrier();
    }
    if (t == 63u) { first = atomicAdd(&counts.kept, before[63]); }
    workgroupBarrier();
    if (goes_on) {
        let slot = first + before[t] - 1u;
        lists[counts.next + slot] = ray;
        ask(slot, tracks[ray], walker.at);
    }
}
//# endif
