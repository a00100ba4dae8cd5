//! The window's surface: the evaluated picture, and egui over it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytemuck::{Pod, Zeroable};
use winit::window::Window;

use super::painter::{BYTES, Shown, texture};
use super::scene::Look;
use crate::Result;
use crate::gpu::{Context, GpuError, Stopwatch, shader};
use crate::model::Region;

/// Mirrors `Place` in `present.wgsl`: from the canvas (0 to 1) to some region (0 to 1).
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Place {
    scale: [f32; 2],
    offset: [f32; 2],
}

/// Mirrors `View` in `present.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Placement {
    picture: Place,
    truth: Place,
    frame: Place,
    background: [f32; 4],
    size: [f32; 2],
    divider: f32,
    gain: f32,
    mode: u32,
    samples: u32,
    linearise: u32,
    shade: u32,
}

impl Place {
    /// Where the canvas, which shows `view`, lies on `region`.
    fn of(view: &Region, region: &Region) -> Self {
        let (width, height) = (region.x1 - region.x0, region.y1 - region.y0);
        #[expect(clippy::cast_possible_truncation, reason = "ratios and differences of one view: f32 is plenty")]
        Self {
            scale: [((view.x1 - view.x0) / width) as f32, ((view.y1 - view.y0) / height) as f32],
            offset: [((view.x0 - region.x0) / width) as f32, ((view.y0 - region.y0) / height) as f32],
        }
    }
}

/// What egui wants drawn.
pub(super) struct Overlay {
    pub textures: egui::TexturesDelta,
    pub shapes: Vec<egui::ClippedPrimitive>,
    pub pixels_per_point: f32,
}

/// What is seen on the canvas, a part of the window in physical pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Canvas {
    pub origin: [f32; 2],
    pub size: [f32; 2],
    /// The region of the picture plane that it shows.
    pub region: Region,
    /// The coordinates that the model was trained on.
    pub frame: Region,
    pub look: Look,
    /// Where the signal itself begins, 0 to 1 from the left; None: nowhere.
    pub divider: Option<f32>,
    /// What errors and gradients are multiplied by.
    pub gain: f32,
    /// Darken what lies outside the frame.
    pub shade: bool,
    pub background: [f32; 3],
}

pub(super) struct Presenter {
    /// A frame that is not presented before it is drawn. (It must be dropped before its surface.)
    drawing: Option<(wgpu::SurfaceTexture, Arc<AtomicBool>)>,
    ctx: Arc<Context>,
    surface: wgpu::Surface<'static>,
    config: wgpu::SurfaceConfiguration,
    pipeline: wgpu::RenderPipeline,
    placement: wgpu::Buffer,
    /// In place of a picture that is not there.
    blank: wgpu::TextureView,
    egui: egui_wgpu::Renderer,
    stopwatch: Stopwatch,
    /// The stopwatch runs: of the frames until it is read, none is timed.
    timing: bool,
}

/// The window's surface, of an instance that there is already or of one of its own.
pub(super) fn surface(
    window: &Arc<Window>,
    display: winit::event_loop::OwnedDisplayHandle,
    instance: Option<wgpu::Instance>,
) -> Result<(wgpu::Instance, wgpu::Surface<'static>)> {
    let new = || wgpu::Instance::new(wgpu::InstanceDescriptor::new_with_display_handle(Box::new(display)));
    let instance = instance.unwrap_or_else(new);
    let surface = instance
        .create_surface(Arc::clone(window))
        .map_err(|e| GpuError::NoAdapter(format!("the window has no surface to draw on ({e})")))?;
    Ok((instance, surface))
}

impl Presenter {
    /// Opens the best adapter that can present to the surface.
    pub(super) fn open(
        instance: wgpu::Instance,
        surface: wgpu::Surface<'static>,
        size: [u32; 2],
        prefer: Option<&str>,
    ) -> Result<Self> {
        let adapter = crate::gpu::presenting_adapter(&instance, &surface, prefer)?;
        let ctx = Context::open(instance, adapter)?;
        let capabilities = surface.get_capabilities(ctx.adapter());
        // Values are display-referred: a format without the sRGB curve takes them as they are.
        let format =
            capabilities.formats.iter().copied().find(|f| !f.is_srgb()).or(capabilities.formats.first().copied());
        let config = surface.get_default_config(ctx.adapter(), size[0].max(1), size[1].max(1));
        let (Some(format), Some(config)) = (format, config) else {
            return Err(GpuError::NoAdapter("the adapter cannot draw in this window".into()).into());
        };
        let config = wgpu::SurfaceConfiguration { format, present_mode: wgpu::PresentMode::AutoVsync, ..config };
        surface.configure(ctx.device(), &config);
        let device = ctx.device();
        let text = shader::link("present.wgsl", &());
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("present"),
            source: wgpu::ShaderSource::Wgsl(text.into()),
        });
        let pipeline = device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
            label: Some("present"),
            layout: None,
            vertex: wgpu::VertexState {
                module: &module,
                entry_point: Some("corner"),
                compilation_options: Default::default(),
                buffers: &[],
            },
            primitive: wgpu::PrimitiveState::default(),
            depth_stencil: None,
            multisample: wgpu::MultisampleState::default(),
            fragment: Some(wgpu::FragmentState {
                module: &module,
                entry_point: Some("pixel"),
                compilation_options: Default::default(),
                targets: &[Some(format.into())],
            }),
            multiview_mask: None,
            cache: None,
        });
        let placement = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("placement"),
            size: size_of::<Placement>() as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let egui = egui_wgpu::Renderer::new(device, format, egui_wgpu::RendererOptions::default());
        let blank = texture(&ctx, [1, 1], BYTES).create_view(&wgpu::TextureViewDescriptor::default());
        ctx.check()?;
        Ok(Self {
            stopwatch: Stopwatch::unobtrusive(&ctx)?,
            ctx,
            surface,
            config,
            pipeline,
            placement,
            blank,
            egui,
            drawing: None,
            timing: false,
        })
    }

    /// The device that draws.
    pub(super) fn ctx(&self) -> &Arc<Context> {
        &self.ctx
    }

    pub(super) fn resize(&mut self, size: [u32; 2]) {
        if size == [self.config.width, self.config.height] {
            return;
        }
        // A frame of the old size is not worth waiting for.
        self.drawing = None;
        if size[0] > 0 && size[1] > 0 {
            [self.config.width, self.config.height] = size;
            self.surface.configure(self.ctx.device(), &self.config);
        }
    }

    /// Draws the picture where it belongs on the canvas, then egui, and shows the frame. A window that has no
    /// frame to give (hidden, just resized) is left for the next time.
    pub(super) fn draw(
        &mut self,
        shown: Option<&Shown>,
        truth: Option<&wgpu::TextureView>,
        canvas: &Canvas,
        overlay: &Overlay,
    ) -> Result<()> {
        use wgpu::CurrentSurfaceTexture::{Lost, Occluded, Outdated, Suboptimal, Success, Timeout, Validation};
        let (device, queue) = (self.ctx.device(), self.ctx.queue());
        let frame = match self.surface.get_current_texture() {
            Success(frame) | Suboptimal(frame) => frame,
            Timeout | Occluded => return Ok(()),
            Outdated | Lost => {
                self.surface.configure(device, &self.config);
                return self.ctx.check();
            }
            // A lost device among other things, and of that wgpu tells when polled.
            Validation => return self.ctx.poll(),
        };
        let target = frame.texture.create_view(&wgpu::TextureViewDescriptor::default());
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("frame") });
        let screen = egui_wgpu::ScreenDescriptor {
            size_in_pixels: [self.config.width, self.config.height],
            pixels_per_point: overlay.pixels_per_point,
        };
        let timed = !self.timing;
        let mut commands = self.egui.update_buffers(device, queue, &mut encoder, &overlay.shapes, &screen);
        let picture = self.place(shown, truth, canvas);
        {
            let [r, g, b] = canvas.background.map(f64::from);
            let mut pass = encoder
                .begin_render_pass(&wgpu::RenderPassDescriptor {
                    label: Some("frame"),
                    color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                        view: &target,
                        depth_slice: None,
                        resolve_target: None,
                        ops: wgpu::Operations {
                            load: wgpu::LoadOp::Clear(wgpu::Color { r, g, b, a: 1.0 }),
                            store: wgpu::StoreOp::Store,
                        },
                    })],
                    timestamp_writes: if timed { self.stopwatch.render() } else { None },
                    ..Default::default()
                })
                .forget_lifetime();
            let ([x, y], [w, h]) = (canvas.origin, canvas.size);
            // While a window shrinks, the canvas may for a frame be larger than what there is to draw on.
            if w >= 1.0 && h >= 1.0 && x + w <= self.config.width as f32 && y + h <= self.config.height as f32 {
                pass.set_viewport(x, y, w, h, 0.0, 1.0);
                pass.set_pipeline(&self.pipeline);
                pass.set_bind_group(0, &picture, &[]);
                pass.draw(0..3, 0..1);
            }
            self.egui.render(&mut pass, &overlay.shapes, &screen);
        }
        if timed {
            self.stopwatch.submit(&self.ctx, commands, encoder);
            self.timing = true;
        } else {
            commands.push(encoder.finish());
            queue.submit(commands);
        }
        if self.ctx.is_software() {
            let drawn = Arc::new(AtomicBool::new(false));
            let tell = Arc::clone(&drawn);
            queue.on_submitted_work_done(move || tell.store(true, Ordering::Release));
            self.drawing = Some((frame, drawn));
        } else {
            queue.present(frame);
        }
        self.ctx.check()
    }

    /// Takes over egui's textures.
    pub(super) fn update(&mut self, textures: &egui::TexturesDelta) {
        for (id, deltas) in &textures.set {
            for delta in deltas {
                self.egui.update_texture(self.ctx.device(), self.ctx.queue(), *id, delta);
            }
        }
    }

    /// Lets go of those of egui's textures that the last frame was the last to draw.
    pub(super) fn release(&mut self, textures: &egui::TexturesDelta) {
        for id in &textures.free {
            self.egui.free_texture(id);
        }
    }

    /// How long the GPU drew a frame, when that has become known of one.
    pub(super) fn drawn_in(&mut self) -> Option<Duration> {
        let (ran, _) = self.stopwatch.take()?;
        self.timing = false;
        Some(ran)
    }

    /// Shows the frame that is being drawn, if it is done; whether there is one that is not. Software drivers draw within
    /// the call that presents, which would keep the event loop waiting: theirs are presented when they are drawn.
    pub(super) fn is_drawing(&mut self) -> Result<bool> {
        let Some((frame, drawn)) = self.drawing.take() else { return Ok(false) };
        self.ctx.poll()?;
        if drawn.load(Ordering::Acquire) {
            self.ctx.queue().present(frame);
            return Ok(false);
        }
        self.drawing = Some((frame, drawn));
        Ok(true)
    }

    /// Tells the shader what lies where on the canvas.
    fn place(&self, shown: Option<&Shown>, truth: Option<&wgpu::TextureView>, canvas: &Canvas) -> wgpu::BindGroup {
        let frame = Place::of(&canvas.region, &canvas.frame);
        let nowhere = Place { scale: [0.0; 2], offset: [-1.0; 2] };
        let [r, g, b] = canvas.background;
        let placement = Placement {
            picture: shown.map_or(nowhere, |s| Place::of(&canvas.region, &s.region)),
            truth: truth.map_or(nowhere, |_| frame),
            frame,
            background: [r, g, b, 1.0],
            size: canvas.size,
            divider: canvas.divider.unwrap_or(2.0),
            gain: canvas.gain,
            mode: canvas.look as u32,
            samples: shown.map_or(1, |s| s.detail.samples),
            linearise: u32::from(self.config.format.is_srgb()),
            shade: u32::from(canvas.shade),
        };
        self.ctx.queue().write_buffer(&self.placement, 0, bytemuck::bytes_of(&placement));
        let entry = |binding, resource| wgpu::BindGroupEntry { binding, resource };
        self.ctx.device().create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("picture"),
            layout: &self.pipeline.get_bind_group_layout(0),
            entries: &[
                entry(0, self.placement.as_entire_binding()),
                entry(1, wgpu::BindingResource::TextureView(shown.map_or(&self.blank, |s| &s.view))),
                entry(2, wgpu::BindingResource::TextureView(truth.unwrap_or(&self.blank))),
            ],
        })
    }

    /// Makes a texture known to egui.
    pub(super) fn register(&mut self, view: &wgpu::TextureView) -> egui::TextureId {
        self.egui.register_native_texture(self.ctx.device(), view, wgpu::FilterMode::Linear)
    }

    /// What [`Presenter::register`] gave is needed no longer.
    pub(super) fn forget(&mut self, id: egui::TextureId) {
        self.egui.free_texture(&id);
    }
}
