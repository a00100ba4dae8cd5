//! `frame`: from a latent to pixels, generation and all: in the host's memory, and on a GPU in a texture.

use std::sync::Arc;

use super::field::Case;
use crate::bench::Suite;
use crate::bench::method::{Check, Lap, Subject};
use crate::bench::record::Work;
use crate::bench::session::{Entry, Session};
use crate::cpu::Network;
use crate::engine::{Engine, Field, Strategy};
use crate::gpu::{Buffer, Context, GpuError, Target, TextureTarget, Use};
use crate::model::{Domain, Jet, builtin};
use crate::{Error, Result};

/// How far a byte may be from the exact value, in [0, 1]: half a step, and a little for a value on the edge between two.
const BOUND: f64 = 0.5 / 255.0 + 1e-3;

pub(super) fn run(session: &mut Session<'_>) -> Result<()> {
    let model = Arc::new(builtin("emoji")?);
    // A row of a texture that is copied is a multiple of 64 pixels.
    let sides: &[usize] = match session.scale.usual {
        0..=4096 => &[64],
        4097..=65_536 => &[64, 128],
        _ => &[64, 256, 1024],
    };
    for &side in sides {
        let case = Case::new(&model, Some("linear, @emoji"), 1, side * side, Jet::Value)?;
        for engine in session.engines {
            let field = engine.load(&model)?;
            let mut entries = vec![to_memory(&field, &case, side)];
            if let Some(ctx) = engine.gpu() {
                entries.push(to_texture(engine, ctx, &case, side));
            }
            session.race(Suite::Frame, engine, entries)?;
        }
    }
    Ok(())
}

fn work(case: &Case<'_>) -> Work {
    let generated = 2.0 * case.model.hypernetwork.macs_per_latent() as f64;
    Work { flop: case.work().flop + generated, unit: "pixels".to_owned(), ..case.work() }
}

fn to_memory<'a>(field: &'a Field, case: &'a Case<'_>, side: usize) -> Entry<'a> {
    let strategy = Strategy::Materialised;
    Entry::new(format!("@emoji to memory, {side} x {side}"), case.shape(Some(strategy)), work(case), move || {
        Ok(case.whole(field, strategy))
    })
}

fn to_texture<'a>(engine: &'a Engine, ctx: &'a Arc<Context>, case: &'a Case<'_>, side: usize) -> Entry<'a> {
    let shape = case.shape(Some(Strategy::Materialised));
    Entry::new(format!("@emoji to a texture, {side} x {side}"), shape, work(case), move || {
        ToTexture::new(engine, ctx, case)
    })
}

/// A picture that stays on the GPU, as a window would show it.
struct ToTexture<'a> {
    field: Field,
    ctx: &'a Arc<Context>,
    case: &'a Case<'a>,
    texture: wgpu::Texture,
    staging: Buffer,
}

impl<'a> ToTexture<'a> {
    fn new(engine: &Engine, ctx: &'a Arc<Context>, case: &'a Case<'_>) -> Result<Self> {
        let texture = ctx.device().create_texture(&wgpu::TextureDescriptor {
            label: Some("frame"),
            size: wgpu::Extent3d { width: case.grid.width, height: case.grid.height, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: wgpu::TextureFormat::Rgba8Unorm,
            usage: wgpu::TextureUsages::STORAGE_BINDING | wgpu::TextureUsages::COPY_SRC | wgpu::TextureUsages::COPY_DST,
            view_formats: &[],
        });
        ctx.check()?;
        let read = wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ;
        let staging = ctx.buffer("frame", case.grid.points() as u64 * 4, read, Use::Readback)?;
        Ok(Self { field: engine.load(case.model)?, ctx, case, texture, staging })
    }

    fn layout(&self) -> wgpu::TexelCopyBufferLayout {
        let bytes = Some(self.case.grid.width * 4);
        wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: bytes, rows_per_image: None }
    }

    fn frame(&self) -> Result<()> {
        let Some(field) = self.field.gpu() else {
            return Err(Error::invalid("a texture is a GPU's"));
        };
        let codes = field.prepare(self.case.z(), 1, false)?;
        let view = self.texture.create_view(&wgpu::TextureViewDescriptor::default());
        let target = TextureTarget { view: &view, format: wgpu::TextureFormat::Rgba8Unorm, columns: 1 };
        let domain = Domain::Grid(self.case.grid);
        let mut evaluation = field.evaluation(&codes, 0..1, &domain, Target::Texture(target))?;
        let label = Some("frame");
        while evaluation.next_slice(std::time::Duration::from_millis(120)).is_some() {
            let mut encoder = self.ctx.device().create_command_encoder(&wgpu::CommandEncoderDescriptor { label });
            evaluation.record(
                &mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label, timestamp_writes: None }),
            );
            self.ctx.queue().submit([encoder.finish()]);
        }
        self.ctx.wait()
    }
}

impl Subject for ToTexture<'_> {
    /// Transparent magenta: no picture has such pixels.
    fn poison(&mut self) -> Result<()> {
        let pixels = [255, 0, 255, 0].repeat(self.case.grid.points());
        self.ctx.queue().write_texture(self.texture.as_image_copy(), &pixels, self.layout(), self.texture.size());
        self.ctx.queue().submit([]);
        self.ctx.wait()
    }

    fn run(&mut self, repeats: u32) -> Result<Lap> {
        Lap::wall(|| (0..repeats).try_for_each(|_| self.frame()))
    }

    fn check(&mut self) -> Result<Check> {
        let mut encoder = self.ctx.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let to = wgpu::TexelCopyBufferInfo { buffer: self.staging.raw(), layout: self.layout() };
        encoder.copy_texture_to_buffer(self.texture.as_image_copy(), to, self.texture.size());
        self.ctx.queue().submit([encoder.finish()]);
        let slice = self.staging.raw().slice(..);
        slice.map_async(wgpu::MapMode::Read, |_| {});
        self.ctx.wait()?;
        let bytes = slice.get_mapped_range().map_err(|e| GpuError::Validation(e.to_string()))?.to_vec();
        self.staging.raw().unmap();
        let exact = self.exact();
        let range = self.case.model.values;
        let (low, size) = (f64::from(range.low), f64::from(range.high - range.low));
        let pixels = bytes.chunks_exact(4).zip(exact.chunks_exact(3));
        let errors = pixels.flat_map(|(got, exact)| {
            let channel =
                move |(&g, &e): (&u8, &f64)| (f64::from(g) / 255.0 - ((e - low) / size).clamp(0.0, 1.0)).abs();
            got.iter().zip(exact).map(channel).collect::<Vec<_>>()
        });
        Ok(Check { error: errors.fold(0.0, f64::max), bound: BOUND, numbers: exact.len() })
    }
}

impl ToTexture<'_> {
    /// Every value, by the f64 twin.
    fn exact(&self) -> Vec<f64> {
        let oracle = Network::oracle(self.case.model);
        let z: Vec<f64> = self.case.z().iter().map(|&v| v.into()).collect();
        let theta = oracle.materialise(1, &oracle.features(1, &z));
        let mut exact = vec![f64::NAN; self.case.numbers()];
        oracle.evaluate(&theta, &Domain::Grid(self.case.grid), &mut exact);
        exact
    }
}
