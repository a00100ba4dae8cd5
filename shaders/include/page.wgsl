// A page of trunks' and heads' numbers, four at a time; must agree with `gpu/arena.rs`.
//# if packed
// Halves of 16 bits, where all numbers of the page are such: half of the memory and of the traffic, and the same sums. They are
// stored ${ page_up } times as large, so that none is as small as those that some GPUs take for 0.
@group(0) @binding(${ page_binding }) var<storage, read> page: array<vec2<u32>>;
const PAGE_UNIT = 1.0 / ${ page_up }.0;

fn paged(i: u32) -> vec4<f32> {
    let halves = page[i];
    return vec4(unpack2x16float(halves.x), unpack2x16float(halves.y));
}
//# else
@group(0) @binding(${ page_binding }) var<storage, read> page: array<vec4<f32>>;
const PAGE_UNIT = 1.0;

fn paged(i: u32) -> vec4<f32> {
    return page[i];
}
//# endif
