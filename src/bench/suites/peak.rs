//! `peak`: what this device can do at most, the ceilings of the roofline (Williams et al. 2009): multiply-adds, sines,
//! bytes copied.

use std::rc::Rc;
use std::sync::Arc;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::Serialize;

use crate::Result;
use crate::bench::Suite;
use crate::bench::device::{Dispatch, OnHost, Output};
use crate::bench::method::{Method, Subject};
use crate::bench::record::{Shape, Work};
use crate::bench::session::{Entry, Session};
use crate::bench::twin::Expected;
use crate::engine::Engine;
use crate::gpu::shader::link;
use crate::gpu::{Buffer, Context, Use};
use crate::math::{Matrix, MatrixMut, Real, product, zip};

/// Invocations of a workgroup, and numbers that they start from.
const THREADS: u32 = 64;
const SEEDS: usize = 64;
/// Side of the matrices that the CPU multiplies.
const SIDE: usize = 768;
/// Numbers that a thread of the CPU takes at a time: they fit its first cache.
const BLOCK: usize = 4096;
/// Seed of all inputs: what they are does not change the time.
const SEED: u64 = 1;

/// The template values of `bench/fma.wgsl` and `bench/sine.wgsl`.
#[derive(Clone, Copy, Debug, Serialize)]
struct Chains {
    /// Independent vectors of an invocation.
    chains: u32,
    /// Times that the loop goes round, and how often each chain goes on in one.
    rounds: u32,
    unroll: u32,
    /// Whether sines are WGSL's own.
    builtin: bool,
}

impl Chains {
    const FMA: Self = Self { chains: 8, rounds: 16, unroll: 8, builtin: false };
    const SINE: Self = Self { chains: 4, rounds: 16, unroll: 4, builtin: false };
    const BUILTIN: Self = Self { builtin: true, ..Self::SINE };

    fn steps(self) -> u32 {
        self.rounds * self.unroll
    }

    /// Numbers that an invocation computes.
    fn numbers(self) -> f64 {
        f64::from(self.steps() * self.chains * 4)
    }
}

/// The harness's own kernels, `(name, WGSL)`.
pub fn kernels() -> Vec<(String, String)> {
    let of = |file: &str, spec: Chains| (format!("{file} {spec:?}"), link(file, &spec));
    vec![
        of("bench/fma.wgsl", Chains::FMA),
        of("bench/sine.wgsl", Chains::SINE),
        of("bench/sine.wgsl", Chains::BUILTIN),
        ("bench/copy.wgsl".to_owned(), link("bench/copy.wgsl", &())),
    ]
}

pub(super) fn run(session: &mut Session<'_>) -> Result<()> {
    let numbers = session.scale.numbers;
    for engine in session.engines {
        let entries = match engine.gpu() {
            Some(ctx) => on_gpu(ctx, numbers),
            None => on_cpu(numbers),
        };
        for entry in entries {
            session.race(Suite::Peak, engine, vec![entry])?;
        }
    }
    Ok(())
}

/// Seconds of a short multiplication: the clock's state.
pub(in crate::bench) fn reference(engine: &Engine) -> Result<f64> {
    let mut subject: Box<dyn Subject> = match engine.gpu() {
        Some(ctx) => Box::new(chains(ctx, "bench/fma.wgsl", Chains::FMA, invocations(ctx))?),
        None => Box::new(matrices()),
    };
    let method = Method { samples: 7, ..Method::quick() };
    Ok(method.race(&mut [&mut *subject])?[0].0.summary.median)
}

fn work(flop: f64, bytes: f64, items: f64, unit: &str) -> Work {
    Work { flop, bytes, items, unit: unit.to_owned() }
}

/// As many as keep the device busy.
fn invocations(ctx: &Context) -> u32 {
    if ctx.is_software() { 1 << 12 } else { 1 << 20 }
}

fn on_gpu(ctx: &Arc<Context>, numbers: usize) -> Vec<Entry<'_>> {
    let count = invocations(ctx);
    let all = |chains: Chains| f64::from(count) * chains.numbers();
    let out = 16.0 * f64::from(count);
    let sines = all(Chains::SINE);
    let largest = usize::try_from(ctx.largest_binding() / 4).unwrap_or(usize::MAX);
    let numbers = numbers.min(largest) / 4 * 4;
    let copied = 8.0 * numbers as f64;
    let shape = Shape::default;
    vec![
        Entry::new(
            "multiply-adds",
            shape(),
            work(2.0 * all(Chains::FMA), out, all(Chains::FMA), "numbers"),
            move || chains(ctx, "bench/fma.wgsl", Chains::FMA, count),
        ),
        Entry::new("sines", shape(), work(0.0, out, sines, "sines"), move || {
            chains(ctx, "bench/sine.wgsl", Chains::SINE, count)
        }),
        Entry::new("sines, WGSL's own", shape(), work(0.0, out, sines, "sines"), move || {
            chains(ctx, "bench/sine.wgsl", Chains::BUILTIN, count)
        }),
        Entry::new("copy", shape(), work(0.0, copied, numbers as f64, "numbers"), move || copy(ctx, numbers)),
    ]
}

/// Random numbers.
fn random(numbers: usize, low: f32, high: f32) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    (0..numbers).map(|_| rng.random_range(low..=high)).collect()
}

/// One of the kernels that compute in registers alone: the first two seeds are the factor and the summand of every step,
/// the others are where chains start.
fn chains(ctx: &Arc<Context>, file: &str, spec: Chains, count: u32) -> Result<Dispatch> {
    let sines = file.ends_with("sine.wgsl");
    let mut seeds = random(4 * (SEEDS + 2), -1.0, 1.0);
    // Products neither vanish nor grow; turns move by multiples of 2^-10, which f32 adds exactly.
    seeds[..4].iter_mut().for_each(|a| *a = 0.99 + 0.005 * *a);
    if sines {
        seeds[4..].iter_mut().for_each(|t| *t = (*t * 1024.0).round() / 1024.0);
    }
    let expected = Rc::new(if sines { sums_of_sines(&seeds, spec, count) } else { products(&seeds, spec, count) });
    let output = Output::new(ctx, 4 * count as usize, expected)?;
    let seeds = ctx.upload("seeds", &seeds, Use::Other)?;
    dispatch(ctx, file, &spec, output, vec![seeds], count.div_ceil(THREADS))
}

fn dispatch(
    ctx: &Arc<Context>,
    file: &str,
    spec: &impl Serialize,
    output: Output,
    held: Vec<Buffer>,
    groups: u32,
) -> Result<Dispatch> {
    let pipeline = ctx.pipeline(file, spec)?;
    let bound = held.iter().chain([&output.buffer]).map(Buffer::binding).enumerate();
    let bind_group = ctx.bind_group(file, &pipeline, bound);
    ctx.check()?;
    Ok(Dispatch { output, pipeline, bind_group, groups, _held: held })
}

/// What invocation `i` leaves in component `c`: the sum over its chains of what `chain` makes of a start. They repeat after
/// as many invocations as there are seeds.
fn sums(seeds: &[f32], spec: Chains, count: u32, bound: f64, chain: impl Fn(f64, usize) -> f64) -> Expected {
    let start = |i: usize, k: usize, c: usize| f64::from(seeds[4 * (2 + (i + 37 * k) % SEEDS) + c]);
    let mut known = Vec::new();
    for i in 0..SEEDS {
        known.extend((0..4).map(|c| (0..spec.chains as usize).map(|k| chain(start(i, k, c), c)).sum::<f64>()));
    }
    let places = 0..4 * count as usize;
    let exact = places.clone().map(|p| known[p % known.len()]).collect();
    Expected::some(places.collect(), exact, bound)
}

/// x = a x + b, so many times.
fn products(seeds: &[f32], spec: Chains, count: u32) -> Expected {
    sums(seeds, spec, count, 1e-2, |start, c| {
        let (a, b) = (f64::from(seeds[c]), f64::from(seeds[4 + c]));
        (0..spec.steps()).fold(start, |x, _| a * x + b)
    })
}

/// The sum of the sines of t, t + b, t + 2 b, ... turns. WGSL promises its own to 2^-11.
fn sums_of_sines(seeds: &[f32], spec: Chains, count: u32) -> Expected {
    let each = if spec.builtin { (-11.0_f64).exp2() } else { 1e-6 };
    let bound = each * f64::from(spec.steps() * spec.chains);
    sums(seeds, spec, count, bound, |start, c| {
        let step = f64::from(seeds[4 + c]);
        (0..spec.steps()).map(|n| (start + f64::from(n) * step).sine()).sum()
    })
}

/// Numbers from one buffer to another.
fn copy(ctx: &Arc<Context>, numbers: usize) -> Result<Dispatch> {
    let input = random(numbers, -1.0, 1.0);
    let output = Output::new(ctx, numbers, Rc::new(the_same(&input)))?;
    let input = ctx.upload("what is copied", &input, Use::Other)?;
    // Enough to fill any device; each goes on until the end.
    dispatch(ctx, "bench/copy.wgsl", &(), output, vec![input], 4096)
}

/// Every 61st number is compared exactly, which meets all components and all places of a cache line.
fn the_same(input: &[f32]) -> Expected {
    let places: Vec<usize> = (0..input.len()).step_by(61).collect();
    let exact = places.iter().map(|&p| input[p].into()).collect();
    Expected::some(places, exact, 0.0)
}

fn on_cpu<'a>(numbers: usize) -> Vec<Entry<'a>> {
    let side = SIDE as f64;
    // Larger than any cache of the processor.
    let copied = numbers.max(1 << 24);
    let shape = Shape::default;
    vec![
        Entry::new(
            "multiply-adds",
            shape(),
            work(2.0 * side.powi(3), 12.0 * side * side, side.powi(3), "numbers"),
            || Ok(matrices()),
        ),
        Entry::new("sines", shape(), work(0.0, 8.0 * (1 << 18) as f64, f64::from(1 << 18), "sines"), || {
            let turns = random(1 << 18, -8.0, 8.0);
            let places: Vec<usize> = (0..turns.len()).step_by(61).collect();
            let exact = places.iter().map(|&p| f64::from(turns[p]).sine()).collect();
            let expected = Rc::new(Expected::some(places, exact, 1e-6));
            Ok(OnHost::new(turns.len(), &expected, move |out: &mut [f32]| {
                let blocks = out.par_chunks_mut(BLOCK).zip(turns.par_chunks(BLOCK));
                blocks.for_each(|(out, turns)| zip(out, turns, |_, t| t.sine()));
                Ok(())
            }))
        }),
        Entry::new("copy", shape(), work(0.0, 8.0 * copied as f64, copied as f64, "numbers"), move || {
            let input = random(copied, -1.0, 1.0);
            Ok(OnHost::new(copied, &Rc::new(the_same(&input)), move |out: &mut [f32]| {
                let blocks = out.par_chunks_mut(1 << 18).zip(input.par_chunks(1 << 18));
                blocks.for_each(|(out, input)| out.copy_from_slice(input));
                Ok(())
            }))
        }),
    ]
}

/// A product of square matrices, rows spread over the cores.
fn matrices() -> OnHost<impl FnMut(&mut [f32]) -> Result<()>> {
    let both = random(2 * SIDE * SIDE, -1.0, 1.0);
    let (a, b) = both.split_at(SIDE * SIDE);
    let (a, b) = (a.to_vec(), b.to_vec());
    let places: Vec<usize> = (0..SIDE * SIDE).step_by(1009).collect();
    let element = |p: &usize| {
        let (r, c) = (p / SIDE, p % SIDE);
        (0..SIDE).map(|k| f64::from(a[r * SIDE + k]) * f64::from(b[k * SIDE + c])).sum()
    };
    let exact = places.iter().map(element).collect();
    let expected = Rc::new(Expected::some(places, exact, 1e-3));
    let rows = SIDE.div_ceil(4 * crate::cpu::threads());
    OnHost::new(SIDE * SIDE, &expected, move |out: &mut [f32]| {
        out.par_chunks_mut(rows * SIDE).zip(a.par_chunks(rows * SIDE)).for_each(|(out, a)| {
            let rows = a.len() / SIDE;
            let (a, b) = (Matrix::row_major(a, rows, SIDE), Matrix::row_major(&b, SIDE, SIDE));
            product(MatrixMut::row_major(out, rows, SIDE), a, b);
        });
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::stats::Verdict;
    use crate::gpu::Reject;

    #[test]
    fn a_kernel_that_does_less_is_wrong_and_one_that_does_more_is_slower() {
        let ctx = Context::best(Reject::Nothing).unwrap();
        let kernel = |rounds| chains(&ctx, "bench/fma.wgsl", Chains { rounds, ..Chains::FMA }, 1 << 10).unwrap();
        let (mut right, mut hasty, mut slowed) = (kernel(16), kernel(15), kernel(64));
        hasty.output.expected = Rc::clone(&right.output.expected);
        let method = Method { samples: 9, ..Method::quick() };
        // Four times the work is slower whatever else goes on; should a machine stall for most of a race, it is run again.
        for race in 1..=3 {
            let results = method.race(&mut [&mut right, &mut hasty, &mut slowed]).unwrap();
            let checks = [0, 1, 2].map(|i| results[i].1);
            let medians = [0, 1, 2].map(|i| results[i].0.summary.median * 1e3);
            println!("race {race}: errors {:?}, ms {medians:.3?}", checks.map(|c| c.error));
            assert!(checks[0].passes() && checks[2].passes());
            assert!(!checks[1].passes(), "one round less is seen: {:?}", checks[1]);
            if Verdict::of(&results[2].0.summary, &results[0].0.summary) == Verdict::Slower {
                return;
            }
        }
        panic!("four times the work was never slower");
    }
}
