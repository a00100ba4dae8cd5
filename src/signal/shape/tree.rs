//! A hierarchy of bounding boxes over things in space, triangles or points.

use glam::{DVec3, Vec3};

/// Boxes in boxes, in the order in which they are walked: a node's first child follows it.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    /// Which thing lies in which slot; the things of a node lie in slots side by side.
    pub(super) order: Vec<u32>,
}

/// A box around the things in `slots`.
#[derive(Clone, Debug)]
pub(super) struct Node {
    low: Vec3,
    high: Vec3,
    /// First slot and number of slots.
    pub(super) slots: [u32; 2],
    /// The second child; 0: this is a leaf.
    pub(super) second: u32,
}

impl Node {
    /// The box's squared distance from `p`.
    fn distance2(&self, p: DVec3) -> f64 {
        (p - p.clamp(self.low.as_dvec3(), self.high.as_dvec3())).length_squared()
    }

    pub(super) fn range(&self) -> std::ops::Range<usize> {
        let [first, count] = self.slots.map(|n| n as usize);
        first..first + count
    }
}

impl Tree {
    /// A tree over at least one thing, each known by its box; at most `leaf` of them in a leaf.
    pub(super) fn new(boxes: &[[Vec3; 2]], leaf: usize) -> Self {
        let count = u32::try_from(boxes.len()).expect("things that u32 can count");
        let mut tree = Self { nodes: Vec::new(), order: (0..count).collect() };
        tree.grow(boxes, 0, boxes.len(), leaf);
        tree
    }

    /// Appends the node of `count` things from slot `first` on, and all below. Halves are equal in number, so that no
    /// input makes the tree deep.
    fn grow(&mut self, boxes: &[[Vec3; 2]], first: usize, count: usize, leaf: usize) {
        let slots = &mut self.order[first..first + count];
        let around = |[low, high]: [Vec3; 2], [l, h]: [Vec3; 2]| [low.min(l), high.max(h)];
        let empty = [Vec3::INFINITY, Vec3::NEG_INFINITY];
        let [low, high] = slots.iter().fold(empty, |all, &i| around(all, boxes[i as usize]));
        let narrow = |n: usize| u32::try_from(n).expect("no more than things or nodes, which u32 counts");
        let node = self.nodes.len();
        self.nodes.push(Node { low, high, slots: [narrow(first), narrow(count)], second: 0 });
        if count <= leaf {
            return;
        }
        // Halves, to stay finite where a box spans most of what f32 can say.
        let middle = |i: u32| 0.5 * boxes[i as usize][0] + 0.5 * boxes[i as usize][1];
        let [low, high] = slots.iter().fold(empty, |all, &i| around(all, [middle(i); 2]));
        let axis = (0.5 * high - 0.5 * low).max_position();
        slots.select_nth_unstable_by(count / 2, |&i, &j| middle(i)[axis].total_cmp(&middle(j)[axis]));
        self.grow(boxes, first, count / 2, leaf);
        self.nodes[node].second = narrow(self.nodes.len());
        self.grow(boxes, first + count / 2, count - count / 2, leaf);
    }

    /// The slot whose thing is nearest to `p`, and its squared distance as `distance2` gives it.
    pub(super) fn nearest(&self, p: DVec3, distance2: impl Fn(usize) -> f64) -> (usize, f64) {
        let mut best = (0, distance2(0));
        let mut stack = Stack::new();
        stack.push((0, self.nodes[0].distance2(p)));
        while let Some((at, near)) = stack.pop() {
            if near >= best.1 {
                continue;
            }
            let node = &self.nodes[at as usize];
            if node.second == 0 {
                for slot in node.range() {
                    let found = distance2(slot);
                    if found < best.1 {
                        best = (slot, found);
                    }
                }
                continue;
            }
            let [a, b] = [at + 1, node.second].map(|child| (child, self.nodes[child as usize].distance2(p)));
            let [near, far] = if a.1 <= b.1 { [a, b] } else { [b, a] };
            stack.push(far);
            stack.push(near);
        }
        best
    }

    /// Walks from the root down: nodes that `done` with are not entered; `leaf` gets the slots of leaves that are.
    pub(super) fn walk(&self, mut done: impl FnMut(usize) -> bool, mut leaf: impl FnMut(std::ops::Range<usize>)) {
        let mut stack = Stack::new();
        stack.push((0, ()));
        while let Some((at, ())) = stack.pop() {
            if done(at as usize) {
                continue;
            }
            let node = &self.nodes[at as usize];
            if node.second == 0 {
                leaf(node.range());
            } else {
                stack.push((node.second, ()));
                stack.push((at + 1, ()));
            }
        }
    }
}

/// Nodes to be visited: one of each level, of which 2^32 things make 32 at most, and one more.
struct Stack<T> {
    nodes: [(u32, T); 34],
    count: usize,
}

impl<T: Copy + Default> Stack<T> {
    fn new() -> Self {
        Self { nodes: [(0, T::default()); 34], count: 0 }
    }

    fn push(&mut self, node: (u32, T)) {
        self.nodes[self.count] = node;
        self.count += 1;
    }

    fn pop(&mut self) -> Option<(u32, T)> {
        self.count = self.count.checked_sub(1)?;
        Some(self.nodes[self.count])
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn nearest_is_the_nearest_of_all() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for count in [1, 2, 7, 8, 9, 1000] {
            let mut point = || Vec3::from_array(rng.random::<[f32; 3]>());
            // Some at the same place.
            let points: Vec<Vec3> = (0..count).map(|i| if i % 5 == 4 { Vec3::splat(0.5) } else { point() }).collect();
            let boxes: Vec<[Vec3; 2]> = points.iter().map(|&p| [p, p]).collect();
            let tree = Tree::new(&boxes, 8);
            let mut seen = tree.order.clone();
            seen.sort_unstable();
            assert!(seen.iter().map(|&i| i as usize).eq(0..count));
            for _ in 0..200 {
                let p = (2.0 * point() - 0.5).as_dvec3();
                let far = |i: usize| points[i].as_dvec3().distance_squared(p);
                let (slot, found) = tree.nearest(p, |slot| far(tree.order[slot] as usize));
                let best = (0..count).map(far).fold(f64::INFINITY, f64::min);
                assert!(found.total_cmp(&best).is_eq() && far(tree.order[slot] as usize).total_cmp(&best).is_eq());
            }
        }
    }
}
