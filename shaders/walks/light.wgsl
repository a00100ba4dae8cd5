// advance: a way to a light, which is seen by the share that the nearest miss leaves. The twin of `trace/light.rs`.
struct Walker {
    // Where it is asked about next; in the end, how much of the light is seen.
    at: f32,
    share: f32,
    steps: u32,
}

fn start() -> Walker {
    return Walker(0.0, 1.0, 0u);
}

fn advance(track: Track, walker: ptr<function, Walker>, height: f32) -> u32 {
    let at = (*walker).at;
    let share = max(min((*walker).share, height / track.slope / (rules.radius * (at + track.before))), 0.0);
    (*walker).share = share;
    (*walker).at = at + max(height / rules.bound, rules.step);
    (*walker).steps += 1u;
    if ((*walker).at < track.length && (*walker).steps < rules.most && share > 0.0) { return 0u; }
    // A light is round: what is seen of it grows slowly at first.
    (*walker).at = share * share * (3.0 - 2.0 * share);
    return ENDED;
}
