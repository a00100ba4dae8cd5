//! The cases of marching cubes (Lorensen & Cline 1987), derived from the cube rather than listed.
//!
//! Each face of a cell is looked at by itself: where the surface crosses the face's four sides, and which crossings are
//! joined on the face. Both cells at a face see the same four values and so join the same crossings; that alone makes
//! the mesh closed. On a face whose corners alternate, the asymptotic decider says what is joined (Nielson & Hamann,
//! "The asymptotic decider", 1991). The joined crossings of all six faces form loops, and each loop is cut into
//! triangles by diagonals that run through the cell, never along a face: no diagonal can meet one of the next cell. The few
//! loops that leave no such diagonals (of 8, 9 and 12 crossings, on faces that are answered differently) are cut into
//! triangles around a vertex within the cell.
//!
//! A corner's number has its x in bit 0, y in bit 1 and z in bit 2. A side of the cell is `4 axis + b + 2 c`, where b
//! and c are its places on the other two axes, the lower axis first. A face is `2 axis + 0` or `+ 1`.

use std::sync::OnceLock;

/// The sides that a cell has.
pub(super) const SIDES: usize = 12;
/// Instead of a side: the vertex within the cell, the mean of the vertices that it shares triangles with.
pub(super) const CENTRE: u8 = 12;

/// How a cell is cut, given which of its corners are inside.
#[derive(Debug)]
pub(super) struct Case {
    /// Faces whose corners alternate; the corners of each, in order around it, those inside first and third.
    pub(super) ambiguous: Vec<[u8; 4]>,
    /// The triangles by the sides on which their corners lie ([`CENTRE`] is always the third), counter-clockwise seen
    /// from outside the surface, for each answer: bit i is set where the inside is joined across the ambiguous face i.
    pub(super) triangles: Vec<Vec<[u8; 3]>>,
}

/// All 256 cases, by the corners that are inside (bit i for corner i).
pub(super) fn cases() -> &'static [Case] {
    static CASES: OnceLock<Vec<Case>> = OnceLock::new();
    CASES.get_or_init(|| (0..=255).map(Case::new).collect())
}

/// A side's lower corner and its axis.
pub(super) fn side(side: u8) -> (u8, usize) {
    let axis = usize::from(side / 4);
    let [b, c] = others(axis);
    ((side & 1) << b | (side >> 1 & 1) << c, axis)
}

/// The axes other than `axis`, the lower first.
fn others(axis: usize) -> [usize; 2] {
    [[1, 2], [0, 2], [0, 1]][axis]
}

/// The side between two neighbouring corners.
fn between(one: u8, other: u8) -> u8 {
    let axis = (one ^ other).trailing_zeros() as usize;
    let [b, c] = others(axis).map(|o| one >> o & 1);
    [0, 4, 8][axis] + b + 2 * c
}

/// The corners of a face, counter-clockwise seen from outside the cell.
fn around(face: usize) -> [u8; 4] {
    let (axis, high) = (face / 2, face % 2 == 1);
    // u, v and the axis are a right-handed frame, so u towards v is counter-clockwise seen from the axis' far end.
    let (u, v) = (1_u8 << ((axis + 1) % 3), 1_u8 << ((axis + 2) % 3));
    if high { [0, u, u | v, v].map(|c| c | 1 << axis) } else { [0, v, u | v, u] }
}

/// Whether both sides lie on one face.
fn share_a_face(one: u8, other: u8) -> bool {
    let on = |s: u8, face: usize| {
        let (corner, axis) = side(s);
        axis != face / 2 && usize::from(corner >> (face / 2) & 1) == face % 2
    };
    one != CENTRE && other != CENTRE && (0..6).any(|face| on(one, face) && on(other, face))
}

impl Case {
    fn new(inside: u8) -> Self {
        let is_in = |corner: u8| inside >> corner & 1 == 1;
        let alternates =
            |c: &[u8; 4]| is_in(c[0]) != is_in(c[1]) && is_in(c[1]) != is_in(c[2]) && is_in(c[2]) != is_in(c[3]);
        let faces: Vec<usize> = (0..6).filter(|&face| alternates(&around(face))).collect();
        let triangles = (0..1_usize << faces.len()).map(|answer| {
            let joined = |face| faces.iter().position(|&f| f == face).is_some_and(|i| answer >> i & 1 == 1);
            loops(&successors(is_in, joined)).iter().flat_map(|l| cut(l)).collect()
        });
        let triangles = triangles.collect();
        let ambiguous = faces.iter().map(|&face| {
            let mut corners = around(face);
            if !is_in(corners[0]) {
                corners.rotate_left(1);
            }
            corners
        });
        Self { ambiguous: ambiguous.collect(), triangles }
    }
}

/// For every side that the surface crosses, the crossing that follows it on a loop with the outside to its front.
fn successors(is_in: impl Fn(u8) -> bool, joined: impl Fn(usize) -> bool) -> [Option<u8>; SIDES] {
    let mut next = [None; SIDES];
    for face in 0..6 {
        let corners = around(face);
        let edge = |i: usize| between(corners[i % 4], corners[(i + 1) % 4]);
        let leaves = |i: usize| is_in(corners[i % 4]) && !is_in(corners[(i + 1) % 4]);
        let enters = |i: usize| !is_in(corners[i % 4]) && is_in(corners[(i + 1) % 4]);
        // Counter-clockwise around the face; the line on it runs from where the inside is entered to where it is left.
        for entry in (0..4).filter(|&i| enters(i)) {
            let mut exits = (1..4).map(|k| entry + k).filter(|&i| leaves(i));
            // The first exit closes this run of corners inside; the last one (just behind us) closes the outside's.
            let exit = if joined(face) { exits.next_back() } else { exits.next() };
            next[usize::from(edge(entry))] = Some(edge(exit.expect("what is entered is left")));
        }
    }
    next
}

/// The cycles of a permutation.
fn loops(next: &[Option<u8>; SIDES]) -> Vec<Vec<u8>> {
    let mut left = *next;
    let mut loops = Vec::new();
    for start in 0..SIDES {
        let (mut cycle, mut at) = (Vec::new(), start);
        while let Some(following) = left[at].take() {
            cycle.push(u8::try_from(at).expect("there are 12 sides"));
            at = usize::from(following);
        }
        if !cycle.is_empty() {
            loops.push(cycle);
        }
    }
    loops
}

/// Cuts a loop into triangles: the diagonals are the shortest in sum of squares, of those that lie on no face. Without
/// such diagonals, the triangles meet in the centre.
fn cut(corners: &[u8]) -> Vec<[u8; 3]> {
    let n = corners.len();
    // Twice the midpoints of the sides.
    let middle = |s: u8| {
        let (corner, axis) = side(s);
        let mut p = [0, 1, 2].map(|a| 2 * i32::from(corner >> a & 1));
        p[axis] = 1;
        p
    };
    let diagonal = |i: usize, j: usize| {
        if j == i + 1 || (i == 0 && j == n - 1) {
            return Some(0);
        }
        let (a, b) = (middle(corners[i]), middle(corners[j]));
        (!share_a_face(corners[i], corners[j])).then(|| (0..3).map(|k| (a[k] - b[k]).pow(2)).sum::<i32>())
    };
    // best[i][j]: the least cost of what lies between the corners i and j, and the third corner of the triangle at i j.
    let mut best = vec![vec![Some((0, 0)); n]; n];
    for length in 2..n {
        for i in 0..n - length {
            let j = i + length;
            let thirds = (i + 1..j).filter_map(|k| {
                let (left, right) = (best[i][k]?.0, best[k][j]?.0);
                Some((left + right + diagonal(i, k)? + diagonal(k, j)?, k))
            });
            best[i][j] = thirds.min();
        }
    }
    let mut triangles = Vec::new();
    let mut open = vec![(0, n - 1)];
    while let Some((i, j)) = open.pop() {
        let Some((_, k)) = best[i][j] else {
            return (0..n).map(|i| [corners[i], corners[(i + 1) % n], CENTRE]).collect();
        };
        if j > i + 1 {
            triangles.push([i, k, j].map(|c| corners[c]));
            open.extend([(i, k), (k, j)]);
        }
    }
    triangles
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn one_corner_inside_is_a_triangle_facing_away_from_it() {
        // Corner 0: its sides are x = 0, y = 4, z = 8; X, Y, Z is counter-clockwise seen from (1, 1, 1).
        let triangle = cases()[1].triangles[0][0];
        let start = triangle.iter().position(|&s| s == 0).unwrap();
        assert_eq!([0, 1, 2].map(|i| triangle[(start + i) % 3]), [0, 4, 8]);
        // And the other way round where all but this corner are inside.
        let triangle = cases()[254].triangles[0][0];
        let start = triangle.iter().position(|&s| s == 0).unwrap();
        assert_eq!([0, 1, 2].map(|i| triangle[(start + i) % 3]), [0, 8, 4]);
    }

    /// In every case and under every answer: the crossed sides are the corners of the triangles; edges within the cell
    /// have a triangle on both sides, edges on a face one; no edge on a face is a diagonal.
    #[test]
    fn every_case_is_a_surface_with_its_boundary_on_the_faces() {
        let (mut variants, mut most, mut centres) = (0, 0, 0);
        for (inside, case) in cases().iter().enumerate() {
            assert_eq!(case.triangles.len(), 1 << case.ambiguous.len());
            for triangles in &case.triangles {
                variants += 1;
                most = most.max(triangles.len());
                centres += usize::from(triangles.iter().any(|t| t[2] == CENTRE));
                assert!(triangles.iter().all(|t| t[0] != CENTRE && t[1] != CENTRE));
                let mut edges: HashMap<(u8, u8), usize> = HashMap::new();
                for &[a, b, c] in triangles {
                    for edge in [(a, b), (b, c), (c, a)] {
                        *edges.entry(edge).or_default() += 1;
                    }
                }
                for (&(a, b), &n) in &edges {
                    assert_eq!(n, 1, "case {inside}: an edge is walked twice");
                    assert_eq!(share_a_face(a, b), !edges.contains_key(&(b, a)), "case {inside}: {a} to {b}");
                }
                for s in 0..12 {
                    let (corner, axis) = side(s);
                    let crossed = (inside >> corner & 1) != (inside >> (corner | 1 << axis) & 1);
                    assert_eq!(crossed, triangles.iter().flatten().any(|&t| t == s), "case {inside}: side {s}");
                    // A crossing is on two faces: one line comes, one goes.
                    let lines = |from: bool| {
                        edges.keys().filter(|&&(a, b)| share_a_face(a, b) && s == if from { a } else { b }).count()
                    };
                    assert_eq!((lines(true), lines(false)), (usize::from(crossed), usize::from(crossed)));
                }
            }
        }
        println!("{variants} ways to cut a cell, {centres} with a centre, at most {most} triangles");
        assert!(variants > 256 && centres == 116 && most == 12);
    }

    #[test]
    fn both_cells_at_a_face_draw_the_same_lines_on_it() {
        // What a cell draws on its high face, the next one draws the other way on its low face.
        let lines = |inside: usize, face: usize, joined: bool| {
            let case = &cases()[inside];
            let on_face = |s: u8| {
                let (corner, axis) = side(s);
                axis != face / 2 && usize::from(corner >> (face / 2) & 1) == face % 2
            };
            let bit = |c: &[u8; 4]| c.iter().all(|&c| usize::from(c >> (face / 2) & 1) == face % 2);
            let answer = case.ambiguous.iter().position(bit).map_or(0, |i| usize::from(joined) << i);
            let mut lines: Vec<(u8, u8)> = (case.triangles[answer].iter())
                .flat_map(|&[a, b, c]| [(a, b), (b, c), (c, a)])
                .filter(|&(a, b)| a != CENTRE && b != CENTRE && on_face(a) && on_face(b))
                .collect();
            lines.sort_unstable();
            lines
        };
        let mut compared = 0;
        for axis in 0..3 {
            let bit = 1 << axis;
            for inside in 0..256_usize {
                // The neighbour beyond the high face has these corners as its low ones; the rest are free, say outside.
                let beyond = (0..8).filter(|c| c & bit == 0 && inside >> (c | bit) & 1 == 1).map(|c| 1 << c).sum();
                for joined in [false, true] {
                    let low = |s: u8| {
                        let (corner, along) = side(s);
                        between(corner & !(1 << axis), (corner | 1 << along) & !(1 << axis))
                    };
                    let mut mirrored: Vec<(u8, u8)> =
                        lines(inside, 2 * axis + 1, joined).into_iter().map(|(a, b)| (low(b), low(a))).collect();
                    mirrored.sort_unstable();
                    assert_eq!(mirrored, lines(beyond, 2 * axis, joined), "axis {axis}, case {inside}");
                    compared += mirrored.len();
                }
            }
        }
        println!("{compared} lines on faces compared");
        assert!(compared > 1000);
    }
}
