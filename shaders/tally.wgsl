// Between two rounds of a march: the rays that go on are those of the next round, and its dispatches become as large as
// they need. One invocation; no workgroup memory.

//# include "include/job.wgsl"
//# include "include/counts.wgsl"
@group(0) @binding(0) var<storage, read_write> counts: Counts;
// What `evaluate.wgsl` reads.
@group(0) @binding(1) var<storage, read_write> job: Job;
// Workgroups of the evaluation, then of the march.
@group(0) @binding(2) var<storage, read_write> groups: array<u32, 6>;

@compute @workgroup_size(1)
fn main() {
    counts.values += counts.left;
    counts.left = atomicLoad(&counts.kept);
    atomicStore(&counts.kept, 0u);
    let start = counts.start;
    counts.start = counts.next;
    counts.next = start;

    let tiles = (counts.left + ${ points_per_group - 1 }u) / ${ points_per_group }u;
    // A dispatch may be 65,535 groups wide: longer ones are folded into rows.
    let across = clamp(tiles, 1u, 32768u);
    job.points = counts.left;
    job.tiles = tiles;
    job.end = tiles;
    job.groups_x = across;
    groups[0] = across;
    groups[1] = (tiles + across - 1u) / across;
    groups[2] = 1u;
    groups[3] = (counts.left + 63u) / 64u;
    groups[4] = 1u;
    groups[5] = 1u;
}
