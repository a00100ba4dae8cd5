//! PLY, ASCII and binary of either byte order: vertices with or without normals, and polygons. Other elements and
//! properties are read over.

use glam::Vec3;

use super::text::{fan, short};
use crate::signal::shape::{Geometry, Mesh, PointCloud};
use crate::{Error, Result};

/// Longest header that is looked at, in bytes.
const HEADER: usize = 1 << 16;

/// A mesh where there are faces, else a point cloud.
pub(super) fn parse(bytes: &[u8]) -> Result<Geometry> {
    let (header, body) = Header::read(bytes)?;
    let mut numbers = Numbers { encoding: header.encoding, rest: body };
    let (mut vertices, mut normals, mut triangles, mut corners) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut has_faces = false;
    for element in &header.elements {
        let Element { name, count, properties } = element;
        if properties.is_empty() {
            continue;
        }
        // Refused before millions of elements are looked for.
        let least = element.least(header.encoding);
        if (numbers.rest.len() as u64) / least < *count {
            let most = numbers.rest.len() as u64 / least;
            return Err(Error::invalid(format!(
                "the file promises {count} of '{}', but has room for {most} at most",
                short(name)
            )));
        }
        let role = element.role()?;
        has_faces |= matches!(role, Role::Faces(_)) && *count > 0;
        for i in 0..*count {
            let mut values = [f32::NAN; 6];
            corners.clear();
            for (p, property) in properties.iter().enumerate() {
                let broken = || Error::invalid(format!("'{}' {i} is cut short or not of numbers", short(name)));
                let Some(length) = property.list else {
                    let value = numbers.next(property.kind).ok_or_else(broken)?;
                    if let Role::Vertices(slots) = &role {
                        #[expect(clippy::cast_possible_truncation, reason = "coordinates are f32")]
                        slots
                            .iter()
                            .zip(&mut values)
                            .filter(|(s, _)| **s == Some(p))
                            .for_each(|(_, v)| *v = value as f32);
                    }
                    continue;
                };
                let length = numbers.next(length).and_then(whole).ok_or_else(broken)?;
                for _ in 0..length {
                    let value = numbers.next(property.kind).ok_or_else(broken)?;
                    if matches!(role, Role::Faces(which) if which == p) {
                        let corner = whole(value);
                        corners.push(corner.ok_or_else(|| {
                            Error::invalid(format!("face {i} names vertex {value}, which is not there"))
                        })?);
                    }
                }
            }
            match role {
                Role::Vertices(slots) => {
                    vertices.push(Vec3::from_slice(&values[..3]));
                    if slots[3..].iter().all(Option::is_some) {
                        normals.push(Vec3::from_slice(&values[3..]));
                    }
                }
                Role::Faces(_) => triangles.extend(fan(&corners)),
                Role::Other => {}
            }
        }
    }
    if has_faces {
        return Ok(Geometry::Mesh(Mesh::new(vertices, triangles)?));
    }
    if !vertices.is_empty() && normals.is_empty() {
        return Err(Error::invalid(
            "there are neither faces nor normals (nx, ny, nz): points alone do not say which way is out",
        ));
    }
    Ok(Geometry::Cloud(PointCloud::new(vertices, normals)?))
}

fn whole(value: f64) -> Option<u32> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number of that range")]
    (value >= 0.0 && value <= f64::from(u32::MAX) && value.fract() == 0.0).then_some(value as u32)
}

#[derive(Clone, Copy, PartialEq)]
enum Encoding {
    Ascii,
    Little,
    Big,
}

/// A number's type in binary files.
#[derive(Clone, Copy)]
enum Kind {
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    F32,
    F64,
}

impl Kind {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "char" | "int8" => Self::I8,
            "uchar" | "uint8" => Self::U8,
            "short" | "int16" => Self::I16,
            "ushort" | "uint16" => Self::U16,
            "int" | "int32" => Self::I32,
            "uint" | "uint32" => Self::U32,
            "float" | "float32" => Self::F32,
            "double" | "float64" => Self::F64,
            _ => return None,
        })
    }

    fn bytes(self) -> u64 {
        match self {
            Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

struct Property {
    name: String,
    /// Of a list: the type of its length.
    list: Option<Kind>,
    kind: Kind,
}

struct Element {
    name: String,
    count: u64,
    properties: Vec<Property>,
}

/// What an element is of use for.
#[derive(Clone, Copy)]
enum Role {
    /// Which properties are x, y, z, nx, ny and nz.
    Vertices([Option<usize>; 6]),
    /// Which property is the list of corners.
    Faces(usize),
    Other,
}

impl Element {
    /// Bytes that one of them takes at least; not 0.
    fn least(&self, encoding: Encoding) -> u64 {
        let of = |p: &Property| if encoding == Encoding::Ascii { 1 } else { p.list.unwrap_or(p.kind).bytes() };
        self.properties.iter().map(of).sum::<u64>().max(1)
    }

    fn role(&self) -> Result<Role> {
        let find =
            |name: &str, list: bool| self.properties.iter().position(|p| p.name == name && p.list.is_some() == list);
        match self.name.as_str() {
            "vertex" => {
                let slots = ["x", "y", "z", "nx", "ny", "nz"].map(|name| find(name, false));
                if slots[..3].iter().any(Option::is_none) {
                    return Err(Error::invalid("the vertices have no x, y and z"));
                }
                Ok(Role::Vertices(slots))
            }
            "face" => {
                let list = find("vertex_indices", true).or_else(|| find("vertex_index", true));
                list.map(Role::Faces).ok_or_else(|| Error::invalid("the faces have no list of vertex_indices"))
            }
            _ => Ok(Role::Other),
        }
    }
}

struct Header {
    encoding: Encoding,
    elements: Vec<Element>,
}

impl Header {
    /// The header, and what follows it.
    fn read(bytes: &[u8]) -> Result<(Self, &[u8])> {
        const END: &[u8] = b"end_header";
        let head = &bytes[..bytes.len().min(HEADER)];
        if !head.starts_with(b"ply") {
            return Err(Error::invalid("this is no PLY file: it should start with ply"));
        }
        let end = head.windows(END.len()).position(|w| w == END);
        let end = end.ok_or_else(|| Error::invalid("the PLY header has no end"))?;
        let text = String::from_utf8_lossy(&head[..end]);
        let mut header = Self { encoding: Encoding::Ascii, elements: Vec::new() };
        for line in text.lines().skip(1) {
            header
                .line(line)
                .ok_or_else(|| Error::invalid(format!("the PLY header's line '{}' makes no sense", short(line))))?;
        }
        let body = &bytes[end + END.len()..];
        let body = body.strip_prefix(b"\r").unwrap_or(body);
        Ok((header, body.strip_prefix(b"\n").unwrap_or(body)))
    }

    fn line(&mut self, line: &str) -> Option<()> {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match words[..] {
            [] | ["comment" | "obj_info", ..] => {}
            ["format", encoding, ..] => {
                self.encoding = match encoding {
                    "ascii" => Encoding::Ascii,
                    "binary_little_endian" => Encoding::Little,
                    "binary_big_endian" => Encoding::Big,
                    _ => return None,
                };
            }
            ["element", name, count] => {
                let element = Element { name: name.into(), count: count.parse().ok()?, properties: Vec::new() };
                self.elements.push(element);
            }
            ["property", "list", length, kind, name] => {
                let property =
                    Property { name: name.into(), list: Some(Kind::named(length)?), kind: Kind::named(kind)? };
                self.elements.last_mut()?.properties.push(property);
            }
            ["property", kind, name] => {
                let property = Property { name: name.into(), list: None, kind: Kind::named(kind)? };
                self.elements.last_mut()?.properties.push(property);
            }
            _ => return None,
        }
        Some(())
    }
}

/// The numbers behind the header.
struct Numbers<'a> {
    encoding: Encoding,
    rest: &'a [u8],
}

impl Numbers<'_> {
    /// The next number; every type's values are f64's too. None where the file ends, or where there is no number.
    fn next(&mut self, kind: Kind) -> Option<f64> {
        if self.encoding == Encoding::Ascii {
            let text = self.rest.trim_ascii_start();
            let (word, rest) = text.split_at(text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len()));
            self.rest = rest;
            return std::str::from_utf8(word).ok()?.parse().ok();
        }
        Some(match kind {
            Kind::I8 => f64::from(i8::from_le_bytes(self.bytes()?)),
            Kind::U8 => f64::from(u8::from_le_bytes(self.bytes()?)),
            Kind::I16 => f64::from(i16::from_le_bytes(self.bytes()?)),
            Kind::U16 => f64::from(u16::from_le_bytes(self.bytes()?)),
            Kind::I32 => f64::from(i32::from_le_bytes(self.bytes()?)),
            Kind::U32 => f64::from(u32::from_le_bytes(self.bytes()?)),
            Kind::F32 => f64::from(f32::from_le_bytes(self.bytes()?)),
            Kind::F64 => f64::from_le_bytes(self.bytes()?),
        })
    }

    /// The next bytes, the lowest first.
    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        let mut bytes = *bytes;
        if self.encoding == Encoding::Big {
            bytes.reverse();
        }
        Some(bytes)
    }
}
