//! An opened device: limits, errors, memory and pipelines.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use wgpu::util::DeviceExt;

use super::adapter::{AdapterSummary, Reject, instance, is_software, position, sorted_adapters, summary, tiling};
use super::march::AMPLE_BYTES;
use super::memory::{Buffer, Ledger, Use};
use super::tuning::{Tiles, Tiling, tiles};
use super::{GpuError, shader};
use crate::Result;
use crate::measure::Memory;

/// Bytes of device memory that small buffers and textures share.
const BLOCK: u64 = 8 << 20;

/// An opened GPU. Cheap to share; everything on it is created through it.
#[derive(Debug)]
pub struct Context {
    instance: wgpu::Instance,
    adapter: wgpu::Adapter,
    device: wgpu::Device,
    queue: wgpu::Queue,
    ledger: Arc<Ledger>,
    failure: Arc<Mutex<Option<GpuError>>>,
    pipelines: Mutex<HashMap<Arc<str>, (wgpu::ComputePipeline, Kernel)>>,
    /// Final texts by file and template values.
    texts: Mutex<HashMap<String, Arc<str>>>,
    /// What the kernels use, and how they are cut.
    tiling: RwLock<Arc<Tiling>>,
    /// Those that were asked for, while somebody wants to know.
    asked: Mutex<Option<Vec<Kernel>>>,
    /// Measured multiply-adds per second, by which work is cut into slices.
    rates: Mutex<[f64; Pace::COUNT]>,
}

/// Kernels whose speed is measured apart: the same multiply-adds may take one of them ten times as long as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// Weights from latents: as fast as memory is.
    Generation,
    /// Points of generated INRs.
    Evaluation,
    /// Points of INRs whose weights are generated for each tile.
    Fused,
    /// Rays.
    March,
}

impl Pace {
    const COUNT: usize = Self::March as usize + 1;
}

/// A kernel that was made ready to run.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Kernel {
    /// The shader file.
    pub file: String,
    /// [`shader::fingerprint`] of its final text, in hexadecimal.
    pub text: String,
    /// Seconds that the driver took to make its pipeline.
    pub pipeline_s: f64,
}

impl Context {
    /// Opens the best adapter.
    ///
    /// # Errors
    /// [`GpuError::NoAdapter`] where there is none that is not rejected.
    pub fn best(reject: Reject) -> Result<Arc<Self>> {
        let instance = instance();
        let all = sorted_adapters(&instance);
        let none = if all.is_empty() {
            "there is no GPU adapter here; install a Vulkan driver, or use --device cpu"
        } else {
            "there is no GPU here, only a software driver; --device gpu takes that"
        };
        let adapter = all.into_iter().find(|a| reject == Reject::Nothing || !is_software(&a.get_info()));
        let adapter = adapter.ok_or_else(|| GpuError::NoAdapter(none.into()))?;
        Self::open(instance, adapter)
    }

    /// Opens the adapter of that index, or the first whose name contains `name` (case ignored).
    ///
    /// # Errors
    /// [`GpuError::NoAdapter`] with the list of adapters where none fits.
    pub fn named(name: &str) -> Result<Arc<Self>> {
        let instance = instance();
        let mut all = sorted_adapters(&instance);
        let index = position(&all, name)?;
        Self::open(instance, all.swap_remove(index))
    }

    /// Opens a given adapter, e.g. the one that can present to a window.
    ///
    /// # Errors
    /// [`GpuError`] where the device cannot be made; where `HYPERSINE_TIER` asks for what there is not, or
    /// `HYPERSINE_TILES` names no table.
    pub fn open(instance: wgpu::Instance, adapter: wgpu::Adapter) -> Result<Arc<Self>> {
        let have = adapter.limits();
        let (tiles, _) = tiles(&summary(&adapter))?;
        let tiling = Tiling { tiles, ..tiling(&adapter)? };
        // The portable limits, but for the sizes of buffers and textures, where more simply holds more, and for the
        // workgroup memory by which a tiny INR is followed in one kernel.
        let required_limits = wgpu::Limits {
            max_storage_buffer_binding_size: have.max_storage_buffer_binding_size,
            max_buffer_size: have.max_buffer_size,
            max_texture_dimension_2d: have.max_texture_dimension_2d,
            max_compute_workgroup_storage_size: have.max_compute_workgroup_storage_size.min(AMPLE_BYTES),
            ..wgpu::Limits::default()
        };
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("hypersine"),
            required_features: adapter.features()
                & (wgpu::Features::TIMESTAMP_QUERY | wgpu::Features::SUBGROUP | wgpu::Features::SHADER_F16),
            required_limits,
            // Blocks of one size, where the hints' own double with each one: what is larger is by itself, and gone when freed.
            memory_hints: wgpu::MemoryHints::Manual { suballocated_device_memory_block_size: BLOCK..BLOCK },
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).map_err(|e| {
            GpuError::NoAdapter(format!("the adapter '{}' cannot be opened ({e})", adapter.get_info().name))
        })?;
        let failure: Arc<Mutex<Option<GpuError>>> = Arc::default();
        // wgpu's own answer to an error is a panic; here the first one is kept for `check`.
        let slot = Arc::clone(&failure);
        device.on_uncaptured_error(Arc::new(move |error| {
            let error = match error {
                wgpu::Error::OutOfMemory { source } => GpuError::OutOfMemory(source.to_string()),
                other => GpuError::Validation(other.to_string()),
            };
            // The first error explains the others.
            slot.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }));
        let slot = Arc::clone(&failure);
        device.set_device_lost_callback(move |_, message| {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(GpuError::Lost(message));
        });
        // A first guess, corrected by the first slices: a software driver's, or a modest GPU's.
        let rate = if is_software(&adapter.get_info()) { 1e9 } else { 2e11 };
        Ok(Arc::new(Self {
            instance,
            adapter,
            device,
            queue,
            ledger: Arc::default(),
            failure,
            pipelines: Mutex::default(),
            texts: Mutex::default(),
            tiling: RwLock::new(Arc::new(tiling)),
            asked: Mutex::default(),
            rates: Mutex::new([rate; Pace::COUNT]),
        }))
    }

    /// By what tiles are chosen.
    pub(super) fn tiling(&self) -> Arc<Tiling> {
        Arc::clone(&self.tiling.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes that; returns how it was.
    fn retile(&self, change: impl FnOnce(&mut Tiling)) -> Arc<Tiling> {
        let mut tiling = self.tiling.write().unwrap_or_else(PoisonError::into_inner);
        let before = Arc::clone(&tiling);
        change(Arc::make_mut(&mut tiling));
        before
    }

    /// Does something in between, after which it is as it was.
    fn with<T>(&self, change: impl FnOnce(&mut Tiling), plan: impl FnOnce() -> T) -> T {
        let before = self.retile(change);
        let planned = plan();
        self.retile(|t| *t = Arc::unwrap_or_clone(before));
        planned
    }

    /// Does something during which evaluations are planned with these tiles.
    pub fn with_tiles<T>(&self, tiles: Tiles, plan: impl FnOnce() -> T) -> T {
        self.with(|t| t.tiles = tiles, plan)
    }

    /// Whether the adapter has numbers of 16 bits.
    pub fn has_half(&self) -> bool {
        self.device.features().contains(wgpu::Features::SHADER_F16)
    }

    /// Lets evaluations of pictures that are planned from now on compute with halves of 16 bits, where adapter and model are made for them, or
    /// no longer.
    pub fn set_half(&self, half: bool) {
        self.retile(|t| t.half = half && self.has_half());
    }

    /// Does something during which evaluations are planned as after [`Context::set_half`].
    pub fn with_half<T>(&self, half: bool, plan: impl FnOnce() -> T) -> T {
        self.with(|t| t.half = half && self.has_half(), plan)
    }

    /// wgpu's instance, adapter, device and queue, for callers with kernels or windows of their own.
    pub fn instance(&self) -> &wgpu::Instance {
        &self.instance
    }

    /// See [`Context::instance`].
    pub fn adapter(&self) -> &wgpu::Adapter {
        &self.adapter
    }

    /// See [`Context::instance`].
    pub fn device(&self) -> &wgpu::Device {
        &self.device
    }

    /// See [`Context::instance`].
    pub fn queue(&self) -> &wgpu::Queue {
        &self.queue
    }

    /// What this adapter is.
    pub fn summary(&self) -> AdapterSummary {
        summary(&self.adapter)
    }

    /// Whether the "GPU" is a software driver.
    pub fn is_software(&self) -> bool {
        is_software(&self.adapter.get_info())
    }

    /// Most bytes that a kernel can be given in one piece.
    pub fn largest_binding(&self) -> u64 {
        let limits = self.device.limits();
        limits.max_storage_buffer_binding_size.min(limits.max_buffer_size)
    }

    /// Highest marks of the engine's allocations so far.
    pub fn memory(&self) -> Memory {
        self.ledger.read()
    }

    /// Bytes of the engine's that are allocated on the device now.
    pub fn held(&self) -> u64 {
        self.ledger.now()
    }

    /// The first error since the last call, if there was one. A lost device stays lost.
    ///
    /// # Errors
    /// That error.
    pub fn check(&self) -> Result<()> {
        let take = || {
            let mut slot = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
            match &*slot {
                Some(lost @ GpuError::Lost(_)) => Some(lost.clone()),
                _ => slot.take(),
            }
        };
        let Some(mut error) = take() else { return Ok(()) };
        if matches!(error, GpuError::Validation(_)) {
            // Commands to a lost device are refused; that it is lost, wgpu tells when polled.
            let _ = self.device.poll(wgpu::PollType::Poll);
            error = take().unwrap_or(error);
        }
        Err(error.into())
    }

    /// A buffer of at least `bytes` (0 is rounded up to 16), counted under `usage`.
    ///
    /// # Errors
    /// [`GpuError::Limit`] or [`GpuError::OutOfMemory`].
    pub fn buffer(&self, label: &str, bytes: u64, kind: wgpu::BufferUsages, usage: Use) -> Result<Buffer> {
        let size = bytes.max(16).next_multiple_of(16);
        let limits = self.device.limits();
        let binding = kind.contains(wgpu::BufferUsages::STORAGE) && size > limits.max_storage_buffer_binding_size;
        if binding || size > limits.max_buffer_size {
            return Err(GpuError::Limit(format!(
                "{label} needs {} MiB in one piece, this adapter allows {} MiB; take smaller or fewer pictures at a time, or use --device cpu",
                size >> 20,
                self.largest_binding() >> 20
            ))
            .into());
        }
        let raw = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size,
            usage: kind,
            mapped_at_creation: false,
        });
        self.check()?;
        Ok(Buffer::new(raw, usage, &self.ledger))
    }

    /// A storage buffer that holds `data`.
    ///
    /// # Errors
    /// As [`Context::buffer`].
    pub fn upload<T: bytemuck::NoUninit>(&self, label: &str, data: &[T], usage: Use) -> Result<Buffer> {
        let bytes: &[u8] = bytemuck::cast_slice(data);
        let kind = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
        let buffer = self.buffer(label, bytes.len() as u64, kind, usage)?;
        self.queue.write_buffer(buffer.raw(), 0, bytes);
        Ok(buffer)
    }

    /// A uniform buffer that holds `data`.
    ///
    /// # Errors
    /// As [`Context::buffer`].
    pub fn uniform<T: bytemuck::NoUninit>(&self, label: &str, data: &[T]) -> Result<Buffer> {
        let contents = bytemuck::cast_slice(data);
        let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let raw =
            self.device.create_buffer_init(&wgpu::util::BufferInitDescriptor { label: Some(label), contents, usage });
        self.check()?;
        Ok(Buffer::new(raw, Use::Other, &self.ledger))
    }

    /// The final text of a shader file linked with `context`; made once, as it takes longer than all else that an evaluation
    /// whose kernel is there already has to do.
    fn linked(&self, file: &str, context: &impl serde::Serialize) -> Arc<str> {
        let values = serde_json::to_string(context).expect("template values are plain data");
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(texts.entry(format!("{file} {values}")).or_insert_with(|| shader::link(file, context).into()))
    }

    /// The compute pipeline of a shader file linked with `context`; made once per final text.
    ///
    /// # Errors
    /// [`GpuError::Validation`] where the driver refuses it.
    pub fn pipeline(&self, file: &str, context: &impl serde::Serialize) -> Result<wgpu::ComputePipeline> {
        let text = self.linked(file, context);
        let pipelines = || self.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        let tell = |kernel: &Kernel| {
            if let Some(asked) = &mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner) {
                asked.push(kernel.clone());
            }
        };
        if let Some((found, kernel)) = pipelines().get(&text) {
            tell(kernel);
            return Ok(found.clone());
        }
        let source = wgpu::ShaderSource::Wgsl((&*text).into());
        let module = wgpu::ShaderModuleDescriptor { label: Some(file), source };
        #[expect(
            unsafe_code,
            reason = "the kernels guard their own edges; run-time checks cost up to 100 times (wgpu #7698)"
        )]
        // SAFETY: every index in the kernels is bounded by the sizes in their uniforms, which the callers in this
        // module take from the buffers they bind, and every loop counts up to such a bound.
        let module =
            unsafe { self.device.create_shader_module_trusted(module, wgpu::ShaderRuntimeChecks::unchecked()) };
        let started = std::time::Instant::now();
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(file),
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache: None,
        });
        self.check()?;
        let pipeline_s = started.elapsed().as_secs_f64();
        log::debug!("pipeline {file}: {:.1} ms", pipeline_s * 1e3);
        let kernel = Kernel { file: file.to_owned(), text: format!("{:016x}", shader::fingerprint(&text)), pipeline_s };
        tell(&kernel);
        // Another thread may have made it meanwhile; neither waits for the other.
        pipelines().insert(text, (pipeline.clone(), kernel));
        Ok(pipeline)
    }

    /// Calls `f`, and tells which kernels were asked for meanwhile, each once.
    pub fn kernels_of<R>(&self, f: impl FnOnce() -> R) -> (R, Vec<Kernel>) {
        let asked = || self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        *asked() = Some(Vec::new());
        let result = f();
        let mut kernels: Vec<Kernel> = Vec::new();
        for kernel in asked().take().unwrap_or_default() {
            if kernels.iter().all(|k| k.text != kernel.text) {
                kernels.push(kernel);
            }
        }
        (result, kernels)
    }

    /// A bind group of `pipeline`'s group 0.
    pub(crate) fn bind_group<'a>(
        &self,
        label: &str,
        pipeline: &wgpu::ComputePipeline,
        bound: impl Iterator<Item = (usize, wgpu::BindingResource<'a>)>,
    ) -> wgpu::BindGroup {
        let entry = |(binding, resource)| wgpu::BindGroupEntry {
            binding: u32::try_from(binding).unwrap_or(u32::MAX),
            resource,
        };
        let entries: Vec<_> = bound.map(entry).collect();
        let layout = pipeline.get_bind_group_layout(0);
        self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(label),
            layout: &layout,
            entries: &entries,
        })
    }

    /// Waits until everything submitted so far is done.
    ///
    /// # Errors
    /// Where the device was lost or a command failed.
    pub fn wait(&self) -> Result<()> {
        let polled = self.device.poll(wgpu::PollType::wait_indefinitely());
        self.check()?;
        polled.map(|_| ()).map_err(|e| GpuError::Lost(e.to_string()).into())
    }

    /// Lets finished work report back, without waiting.
    ///
    /// # Errors
    /// Where the device was lost or a command failed.
    pub fn poll(&self) -> Result<()> {
        let polled = self.device.poll(wgpu::PollType::Poll);
        self.check()?;
        polled.map(|_| ()).map_err(|e| GpuError::Lost(e.to_string()).into())
    }

    /// How many multiply-adds such kernels are likely to do on this device in `time`.
    pub(super) fn affordable_macs(&self, pace: Pace, time: Duration) -> f64 {
        time.as_secs_f64() * self.rates.lock().unwrap_or_else(PoisonError::into_inner)[pace as usize]
    }

    /// Tells their measured speed.
    pub(super) fn learn(&self, pace: Pace, macs: f64, time: Duration) {
        let seconds = time.as_secs_f64();
        if seconds > 0.0 {
            let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
            let rate = &mut rates[pace as usize];
            let measured = macs / seconds;
            // Short slices are mostly overhead: they may raise the estimate, never lower it.
            if seconds > 1e-3 || measured > *rate {
                *rate = (0.5 * (*rate + measured)).clamp(1e8, 1e14);
            }
        }
    }

    /// Host memory for results on their way back.
    ///
    /// # Errors
    /// As [`Context::buffer`].
    pub fn staging(&self, bytes: u64) -> Result<Buffer> {
        self.buffer("read back", bytes, wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ, Use::Readback)
    }

    /// Copies the first `out.len()` numbers of a buffer to the host, through `staging`.
    ///
    /// # Errors
    /// Where the device was lost or the copy failed.
    pub fn read_back(&self, from: &Buffer, staging: &Buffer, out: &mut [f32]) -> Result<()> {
        let bytes = size_of_val(out) as u64;
        if bytes == 0 {
            return Ok(());
        }
        let mut encoder =
            self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("read back") });
        encoder.copy_buffer_to_buffer(from.raw(), 0, staging.raw(), 0, Some(bytes));
        self.queue.submit([encoder.finish()]);
        self.map(staging, bytes, |view| out.copy_from_slice(bytemuck::cast_slice(view)))
    }

    /// Maps the first `bytes` of a buffer and shows them to `look`.
    pub(super) fn map<R>(&self, buffer: &Buffer, bytes: u64, look: impl FnOnce(&[u8]) -> R) -> Result<R> {
        let slice = buffer.raw().slice(..bytes);
        slice.map_async(wgpu::MapMode::Read, |_| {});
        self.wait()?;
        let view = slice.get_mapped_range().map_err(|e| GpuError::Validation(e.to_string()))?;
        let result = look(&view);
        drop(view);
        buffer.raw().unmap();
        Ok(result)
    }
}
