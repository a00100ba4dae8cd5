// coordinate: number d of the coordinates of point p, either from the implicit pixel grid or from a list.
//# if domain == "grid"
fn coordinate(p: u32, d: u32) -> f32 {
    let pixel = vec2(p % job.width, p / job.width);
    let axis = d ^ job.swap_axes;
    return fma(f32(pixel[axis]), job.step[axis], job.origin[axis]);
}
//# else
@group(0) @binding(5) var<storage, read> points: array<f32>;

fn coordinate(p: u32, d: u32) -> f32 {
    return points[p * ${ inputs }u + d];
}
//# endif
