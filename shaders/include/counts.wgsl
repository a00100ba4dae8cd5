// How many rays are still followed; must agree with `gpu/march/rounds.rs`.
struct Counts {
    // Rays of this round, and where in `lists` they and those of the next one start.
    left: u32,
    start: u32,
    next: u32,
    // How many go on.
    kept: atomic<u32>,
    // Values evaluated so far.
    values: u32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
}
