// advance: a ray to a surface, ${ "by steps from sphere to sphere" if spheres else "by equal steps" }. The twin of `trace/march.rs`, where each rule is explained.
struct Walker {
    // Where it is asked about next; in the end, where it arrived.
    at: f32,
    // The last place outside, and the last one within the solid.
    outside_at: f32,
    outside_height: f32,
    inside_at: f32,
    inside_height: f32,
    steps: u32,
    // Values taken since it was near.
    polishes: u32,
    known: u32,
}

// Bits of `known`: whether there is a place outside, one inside, and whether the step there is longer than is safe.
const OUTSIDE = 1u;
const INSIDE = 2u;
const RELAXED = 4u;

fn start() -> Walker {
    return Walker(0.0, 0.0, 0.0, 0.0, 0.0, 0u, 0u, 0u);
}

fn width(track: Track, at: f32) -> f32 {
    return track.footprint.x + track.footprint.y * (track.before + at);
}

fn arrive(walker: ptr<function, Walker>, at: f32) -> u32 {
    (*walker).at = at;
    return ENDED | HIT;
}

fn advance(track: Track, walker: ptr<function, Walker>, height: f32) -> u32 {
    (*walker).steps += 1u;
    if ((*walker).polishes > 0u) { return polish(track, walker, height); }
    let at = (*walker).at;
    if (((*walker).known & OUTSIDE) == 0u) {
        if (height <= 0.0) { return ENDED | HIT | CUT; }
        return stride(track, walker, height);
    }
//# if spheres
    let reach = (height + (*walker).outside_height) / rules.bound;
    if (((*walker).known & RELAXED) != 0u && reach < at - (*walker).outside_at) {
        (*walker).known &= ~RELAXED;
        (*walker).at = (*walker).outside_at + (*walker).outside_height / rules.bound;
        return 0u;
    }
    let near = height <= rules.bound * rules.near * width(track, at);
//# else
    const near = false;
//# endif
    if (height <= 0.0 || near) {
        (*walker).polishes = 1u;
        return polish(track, walker, height);
    }
    if (at >= track.length) { return ENDED; }
    return stride(track, walker, height);
}

// Goes on from a place outside.
fn stride(track: Track, walker: ptr<function, Walker>, height: f32) -> u32 {
    let at = (*walker).at;
//# if spheres
    let safe = height / rules.bound;
    if (at + safe >= track.length) { return ENDED; }
    if ((*walker).steps >= rules.most) {
        return ENDED | LOST | select(0u, HIT, safe <= 0.5 * width(track, at));
    }
    var slope = -1.0;
    if (((*walker).known & OUTSIDE) != 0u) {
        slope = (height - (*walker).outside_height) / rules.bound / (at - (*walker).outside_at);
    }
    slope = clamp(slope, -1.0, rules.fleeing);
    let beyond = rules.relaxation * safe * (1.0 + slope) / (1.0 - slope);
    (*walker).known = OUTSIDE | select(0u, RELAXED, beyond > 0.0);
    let step = safe + beyond;
//# else
    (*walker).known = OUTSIDE;
    let step = rules.step;
//# endif
    (*walker).outside_at = at;
    (*walker).outside_height = height;
    let next = min(at + step, track.length);
    // A step that is lost in rounding would be taken for ever.
    (*walker).at = select(bitcast<f32>(bitcast<u32>(at) + 1u), next, next > at);
    return 0u;
}

// Draws nearer to the surface between a place outside and one inside, or ahead where nothing inside is known yet.
fn polish(track: Track, walker: ptr<function, Walker>, height: f32) -> u32 {
    let at = (*walker).at;
    let before_at = (*walker).outside_at;
    let before_height = (*walker).outside_height;
    if (height <= 0.0) {
        (*walker).inside_at = at;
        (*walker).inside_height = height;
        (*walker).known |= INSIDE;
    } else {
        (*walker).outside_at = at;
        (*walker).outside_height = height;
    }
    let polished = rules.polished * width(track, at);
    var last = (*walker).polishes >= rules.polishes;
//# if spheres
    last = last || abs(height) <= rules.bound * polished;
//# endif
    (*walker).polishes += 1u;
    var next: f32;
    if (((*walker).known & INSIDE) != 0u) {
        let outside = (*walker).outside_height;
        let apart = (*walker).inside_at - (*walker).outside_at;
        let secant = (*walker).outside_at + apart * (outside / (outside - (*walker).inside_height));
        if (last || apart <= polished) { return arrive(walker, secant); }
        // Where the secant stays at one end, halving moves the other.
        next = select(secant, (*walker).outside_at + 0.5 * apart, (*walker).polishes % 3u == 1u);
    } else if (height >= before_height) {
        // It grazes the surface, and was nearest before.
        return arrive(walker, before_at);
    } else {
        let fall = (before_height - height) / (at - before_at);
        next = at + height / max(fall, rules.flattest * ${ "rules.bound" if spheres else "fall" });
    }
    if (last || next >= track.length) { return arrive(walker, min(next, track.length)); }
    (*walker).at = next;
    return 0u;
}
