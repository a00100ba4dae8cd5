//! glTF 2.0, as GLB or as JSON with its buffers inside or beside it: the triangles of the scene, each mesh where its node
//! puts it. Materials, skins and animations are read over.

use std::path::Path;

use glam::{Mat4, Quat, Vec3};
use serde::Deserialize;

use super::text::short;
use crate::signal::shape::Mesh;
use crate::{Error, Result};

/// Most triangles of a scene: a small file may show one mesh a thousand times.
const MOST: usize = 1 << 26;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    scene: Option<usize>,
    #[serde(default)]
    scenes: Vec<Scene>,
    #[serde(default)]
    nodes: Vec<Node>,
    #[serde(default)]
    meshes: Vec<Primitives>,
    #[serde(default)]
    accessors: Vec<Accessor>,
    #[serde(default)]
    buffer_views: Vec<BufferView>,
    #[serde(default)]
    buffers: Vec<Buffer>,
    #[serde(default)]
    extensions_required: Vec<String>,
}

#[derive(Deserialize)]
struct Scene {
    #[serde(default)]
    nodes: Vec<usize>,
}

#[derive(Deserialize)]
struct Node {
    mesh: Option<usize>,
    #[serde(default)]
    children: Vec<usize>,
    matrix: Option<[f32; 16]>,
    translation: Option<[f32; 3]>,
    rotation: Option<[f32; 4]>,
    scale: Option<[f32; 3]>,
}

#[derive(Deserialize)]
struct Primitives {
    primitives: Vec<Primitive>,
}

#[derive(Deserialize)]
struct Primitive {
    attributes: Attributes,
    indices: Option<usize>,
    mode: Option<u32>,
}

#[derive(Deserialize)]
struct Attributes {
    #[serde(rename = "POSITION")]
    position: Option<usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Accessor {
    buffer_view: Option<usize>,
    #[serde(default)]
    byte_offset: usize,
    component_type: u32,
    count: usize,
    #[serde(rename = "type")]
    shape: String,
    sparse: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BufferView {
    buffer: usize,
    #[serde(default)]
    byte_offset: usize,
    byte_length: usize,
    byte_stride: Option<usize>,
}

#[derive(Deserialize)]
struct Buffer {
    uri: Option<String>,
}

/// Reads a scene; `folder` is where buffers in files of their own lie.
pub(super) fn parse(bytes: &[u8], folder: Option<&Path>) -> Result<Mesh> {
    let (json, blob) = if bytes.starts_with(b"glTF") { chunks(bytes)? } else { (bytes, None) };
    let document: Document =
        serde_json::from_slice(json).map_err(|e| Error::invalid(format!("not a glTF scene that can be read ({e})")))?;
    // What changes where the triangles are; other extensions are about their looks.
    let packed = ["KHR_draco_mesh_compression", "EXT_meshopt_compression", "KHR_mesh_quantization"];
    if let Some(name) = document.extensions_required.iter().find(|e| packed.contains(&e.as_str())) {
        return Err(Error::invalid(format!("the meshes are packed ({name}): export them without compression")));
    }
    let buffers = document.buffers.iter().map(|b| buffer(b, blob, folder)).collect::<Result<_>>()?;
    let mut scene = Gathered { document: &document, buffers, vertices: Vec::new(), triangles: Vec::new() };
    scene.gather()?;
    Mesh::new(scene.vertices, scene.triangles)
}

fn damaged(what: &str) -> Error {
    Error::invalid(format!("the glTF file is damaged or cut short ({what})"))
}

/// The JSON and the binary part of a GLB.
fn chunks(bytes: &[u8]) -> Result<(&[u8], Option<&[u8]>)> {
    let mut rest = bytes.get(12..).ok_or_else(|| damaged("no header"))?;
    let mut next = || {
        let (length, behind) = rest.split_first_chunk::<4>()?;
        let (kind, behind) = behind.split_first_chunk::<4>()?;
        let (data, behind) = behind.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        rest = behind;
        Some((*kind, data))
    };
    let json = next().filter(|(kind, _)| kind == b"JSON").ok_or_else(|| damaged("no scene"))?.1;
    Ok((json, next().filter(|(kind, _)| kind == b"BIN\0").map(|(_, data)| data)))
}

fn buffer(buffer: &Buffer, blob: Option<&[u8]>, folder: Option<&Path>) -> Result<Vec<u8>> {
    let Some(uri) = &buffer.uri else {
        return Ok(blob.ok_or_else(|| damaged("no binary part"))?.to_vec());
    };
    if uri.starts_with("data:") {
        let data = uri.split_once(";base64,").and_then(|(_, text)| base64(text));
        return data.ok_or_else(|| damaged("a buffer that is not base64"));
    }
    // A file beside the scene; nothing that leads out of the folder.
    let plain = !uri.contains(['/', '\\', ':', '%']) && uri != "..";
    let path = folder.filter(|_| plain).map(|folder| folder.join(uri));
    let path = path.ok_or_else(|| {
        Error::invalid(format!("the buffer '{}' is not a file beside this one: save the scene as .glb", short(uri)))
    })?;
    std::fs::read(&path).map_err(Error::io("read", &path))
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let (mut bits, mut have, mut data) = (0_u32, 0, Vec::new());
    for c in text.trim_end_matches('=').bytes() {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        have += 6;
        if have >= 8 {
            have -= 8;
            data.push((bits >> have & 0xff).try_into().ok()?);
        }
    }
    Some(data)
}

/// The scene's triangles so far.
struct Gathered<'a> {
    document: &'a Document,
    buffers: Vec<Vec<u8>>,
    vertices: Vec<Vec3>,
    triangles: Vec<[u32; 3]>,
}

impl Gathered<'_> {
    fn gather(&mut self) -> Result<()> {
        let document = self.document;
        let scene = document.scenes.get(document.scene.unwrap_or(0));
        let roots: Vec<usize> = match scene {
            Some(scene) => scene.nodes.clone(),
            // Without a scene, all that is there.
            None => {
                let children: Vec<usize> = document.nodes.iter().flat_map(|n| n.children.iter().copied()).collect();
                (0..document.nodes.len()).filter(|n| !children.contains(n)).collect()
            }
        };
        let mut seen = vec![false; document.nodes.len()];
        let mut stack: Vec<(usize, Mat4)> = roots.into_iter().rev().map(|n| (n, Mat4::IDENTITY)).collect();
        while let Some((n, parent)) = stack.pop() {
            let node = document.nodes.get(n).ok_or_else(|| damaged("a node that is not there"))?;
            if std::mem::replace(&mut seen[n], true) {
                return Err(damaged("a node in two places"));
            }
            let place = parent * node.place();
            if let Some(mesh) = node.mesh {
                let mesh = document.meshes.get(mesh).ok_or_else(|| damaged("a mesh that is not there"))?;
                for primitive in &mesh.primitives {
                    self.primitive(primitive, place)?;
                }
            }
            stack.extend(node.children.iter().rev().map(|&child| (child, place)));
        }
        Ok(())
    }

    fn primitive(&mut self, primitive: &Primitive, place: Mat4) -> Result<()> {
        let mode = primitive.mode.unwrap_or(4);
        // Points and lines have no area.
        let (4..=6, Some(position)) = (mode, primitive.attributes.position) else { return Ok(()) };
        let accessor = self.accessor(position)?;
        if accessor.shape != "VEC3" || accessor.component_type != 5126 {
            return Err(Error::invalid("the positions are not 32-bit floats: export them without quantisation"));
        }
        let number = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
        let before = self.vertices.len();
        let vertices: Vec<Vec3> = (self.items(accessor, 12)?)
            .map(|b| place.transform_point3(Vec3::new(number(b), number(&b[4..]), number(&b[8..]))))
            .collect();
        let indices: Vec<usize> = match primitive.indices {
            None => (0..vertices.len()).collect(),
            Some(indices) => {
                let accessor = self.accessor(indices)?;
                let size = match accessor.component_type {
                    5121 => 1,
                    5123 => 2,
                    5125 => 4,
                    _ => return Err(damaged("indices that are no whole numbers")),
                };
                let value = |b: &[u8]| b.iter().rev().fold(0_usize, |v, &b| v << 8 | usize::from(b));
                self.items(accessor, size)?.map(value).collect()
            }
        };
        if let Some(v) = indices.iter().find(|&&v| v >= vertices.len()) {
            return Err(Error::invalid(format!(
                "a triangle names vertex {v}, but there are {} (counted from 0)",
                vertices.len()
            )));
        }
        let corners = |i: usize| match mode {
            4 => [3 * i, 3 * i + 1, 3 * i + 2],
            // Every other triangle of a strip is the other way round.
            5 => [i, i + 1 + i % 2, i + 2 - i % 2],
            _ => [0, i + 1, i + 2],
        };
        let count = if mode == 4 { indices.len() / 3 } else { indices.len().saturating_sub(2) };
        if self.triangles.len() + count > MOST || before + vertices.len() > 3 * MOST {
            return Err(Error::invalid(format!("the scene has more than {MOST} triangles")));
        }
        let mirrored = place.determinant() < 0.0;
        for i in 0..count {
            let [a, b, c] = corners(i).map(|i| u32::try_from(before + indices[i]).expect("bounded by MOST"));
            self.triangles.push(if mirrored { [a, c, b] } else { [a, b, c] });
        }
        self.vertices.extend(vertices);
        Ok(())
    }

    fn accessor(&self, i: usize) -> Result<&Accessor> {
        self.document.accessors.get(i).ok_or_else(|| damaged("numbers that are not there"))
    }

    /// The bytes of each of an accessor's items.
    fn items(&self, accessor: &Accessor, size: usize) -> Result<impl Iterator<Item = &[u8]>> {
        if accessor.sparse.is_some() {
            return Err(Error::invalid("the meshes are stored as differences (sparse accessors), which are not read"));
        }
        let data = || {
            let view = self.document.buffer_views.get(accessor.buffer_view?)?;
            let end = view.byte_offset.checked_add(view.byte_length)?;
            let view_bytes = self.buffers.get(view.buffer)?.get(view.byte_offset..end)?;
            let stride = view.byte_stride.unwrap_or(size);
            let length = match accessor.count {
                0 => 0,
                n => stride.checked_mul(n - 1)?.checked_add(size)?,
            };
            let bytes = view_bytes.get(accessor.byte_offset..accessor.byte_offset.checked_add(length)?)?;
            (stride >= size).then_some((bytes, stride))
        };
        let (bytes, stride) = data().ok_or_else(|| damaged("numbers beyond the end of their buffer"))?;
        Ok(bytes.chunks(stride).map(move |item| &item[..size]))
    }
}

impl Node {
    /// From the node to its parent.
    fn place(&self) -> Mat4 {
        let scale = Vec3::from_array(self.scale.unwrap_or([1.0; 3]));
        let rotation = Quat::from_array(self.rotation.unwrap_or([0.0, 0.0, 0.0, 1.0]));
        let translation = Vec3::from_array(self.translation.unwrap_or_default());
        let parts = || Mat4::from_scale_rotation_translation(scale, rotation, translation);
        self.matrix.as_ref().map_or_else(parts, Mat4::from_cols_array)
    }
}
