//! The window's surface: the evaluated picture, and egui over it.

use std::sync::Arc;

use bytemuck::{Pod, Zeroable};
use winit::window::Window;

use super::painter::Shown;
use crate::Result;
use crate::gpu::{Context, GpuError, shader};
use crate::model::Region;

/// Mirrors `View` in `present.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Placement {
    scale: [f32; 2],
    offset: [f32; 2],
    linearise: u32,
    pad: [u32; 3],
    background: [f32; 4],
}

/// What egui wants drawn.
pub(super) struct Overlay {
    pub textures: egui::TexturesDelta,
    pub shapes: Vec<egui::ClippedPrimitive>,
    pub pixels_per_point: f32,
}

/// A part of the window in physical pixels, and the region of the picture plane it shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Canvas {
    pub origin: [f32; 2],
    pub size: [f32; 2],
    pub region: Region,
}

pub(super) struct Presenter {
    ctx: Arc<Context>,
    surface: wgpu::Surface<'static>,
    config: wgpu::SurfaceConfiguration,
    pipeline: wgpu::RenderPipeline,
    sampler: wgpu::Sampler,
    placement: wgpu::Buffer,
    egui: egui_wgpu::Renderer,
}

/// The best adapter that can present to the window, opened.
pub(super) fn open(
    window: &Arc<Window>,
    display: winit::event_loop::OwnedDisplayHandle,
    prefer: Option<&str>,
) -> Result<(Arc<Context>, wgpu::Surface<'static>)> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_with_display_handle(Box::new(display)));
    let surface = instance
        .create_surface(Arc::clone(window))
        .map_err(|e| GpuError::NoAdapter(format!("the window has no surface to draw on ({e})")))?;
    let adapter = crate::gpu::presenting_adapter(&instance, &surface, prefer)?;
    Ok((Context::open(instance, adapter)?, surface))
}

impl Presenter {
    pub(super) fn new(ctx: &Arc<Context>, surface: wgpu::Surface<'static>, size: [u32; 2]) -> Result<Self> {
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
        let sampler = device.create_sampler(&wgpu::SamplerDescriptor {
            mag_filter: wgpu::FilterMode::Linear,
            min_filter: wgpu::FilterMode::Linear,
            ..Default::default()
        });
        let placement = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("placement"),
            size: size_of::<Placement>() as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let egui = egui_wgpu::Renderer::new(device, format, egui_wgpu::RendererOptions::default());
        ctx.check()?;
        Ok(Self { ctx: Arc::clone(ctx), surface, config, pipeline, sampler, placement, egui })
    }

    pub(super) fn resize(&mut self, size: [u32; 2]) {
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
        canvas: &Canvas,
        overlay: &Overlay,
        background: [f32; 3],
    ) -> Result<()> {
        use wgpu::CurrentSurfaceTexture::{Lost, Occluded, Outdated, Suboptimal, Success, Timeout, Validation};
        let (device, queue) = (self.ctx.device(), self.ctx.queue());
        for (id, deltas) in &overlay.textures.set {
            for delta in deltas {
                self.egui.update_texture(device, queue, *id, delta);
            }
        }
        let frame = match self.surface.get_current_texture() {
            Success(frame) | Suboptimal(frame) => frame,
            Timeout | Occluded => return Ok(()),
            Outdated | Lost => {
                self.surface.configure(device, &self.config);
                return self.ctx.check();
            }
            Validation => return self.ctx.check(),
        };
        let target = frame.texture.create_view(&wgpu::TextureViewDescriptor::default());
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("frame") });
        let screen = egui_wgpu::ScreenDescriptor {
            size_in_pixels: [self.config.width, self.config.height],
            pixels_per_point: overlay.pixels_per_point,
        };
        let mut commands = self.egui.update_buffers(device, queue, &mut encoder, &overlay.shapes, &screen);
        let picture = shown.map(|s| self.place(s, canvas, background));
        {
            let [r, g, b] = background.map(f64::from);
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
                    ..Default::default()
                })
                .forget_lifetime();
            if let Some(bind_group) = &picture {
                let ([x, y], [w, h]) = (canvas.origin, canvas.size);
                pass.set_viewport(x, y, w.max(1.0), h.max(1.0), 0.0, 1.0);
                pass.set_pipeline(&self.pipeline);
                pass.set_bind_group(0, bind_group, &[]);
                pass.draw(0..3, 0..1);
            }
            self.egui.render(&mut pass, &overlay.shapes, &screen);
        }
        commands.push(encoder.finish());
        queue.submit(commands);
        queue.present(frame);
        for id in &overlay.textures.free {
            self.egui.free_texture(id);
        }
        self.ctx.check()
    }

    /// Tells the shader where on the canvas the picture lies.
    fn place(&self, shown: &Shown, canvas: &Canvas, background: [f32; 3]) -> wgpu::BindGroup {
        let (view, picture) = (&canvas.region, &shown.region);
        let (width, height) = (picture.x1 - picture.x0, picture.y1 - picture.y0);
        #[expect(clippy::cast_possible_truncation, reason = "ratios and differences of one view: f32 is plenty")]
        let placement = Placement {
            scale: [((view.x1 - view.x0) / width) as f32, ((view.y1 - view.y0) / height) as f32],
            offset: [((view.x0 - picture.x0) / width) as f32, ((view.y0 - picture.y0) / height) as f32],
            linearise: u32::from(self.config.format.is_srgb()),
            pad: [0; 3],
            background: [background[0], background[1], background[2], 1.0],
        };
        self.ctx.queue().write_buffer(&self.placement, 0, bytemuck::bytes_of(&placement));
        let entry = |binding, resource| wgpu::BindGroupEntry { binding, resource };
        self.ctx.device().create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("picture"),
            layout: &self.pipeline.get_bind_group_layout(0),
            entries: &[
                entry(0, self.placement.as_entire_binding()),
                entry(1, wgpu::BindingResource::TextureView(&shown.view)),
                entry(2, wgpu::BindingResource::Sampler(&self.sampler)),
            ],
        })
    }
}
