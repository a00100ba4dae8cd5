// total: the sum of every invocation's part, in a tree of fixed order, for workgroups of 64; 256 bytes of workgroup memory.
const THREADS = 64u;
var<workgroup> parts: array<f32, 64>;

fn total(t: u32, part: f32) -> f32 {
    workgroupBarrier();
    parts[t] = part;
    workgroupBarrier();
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        if (t < half) { parts[t] += parts[t + half]; }
        workgroupBarrier();
    }
    return parts[0];
}
