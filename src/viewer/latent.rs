//! The latent codes at hand: where they came from, how two of them are mixed, and the keyframes of a morph.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::model::{Easing, LatentTable, Model, Morph, Path};

/// A latent code, and where it came from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Code {
    pub z: Vec<f32>,
    pub origin: Origin,
}

/// Where a latent code came from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) enum Origin {
    /// A row of the model's table.
    Row(usize),
    /// Drawn from the table's own distribution.
    Sample { seed: u64, truncation: f32 },
    /// Found for a picture.
    Encoded(String),
    /// Moved by hand.
    #[default]
    Free,
}

impl Code {
    /// A row of the table; nothing where there is no such row.
    pub(super) fn row(table: &LatentTable, row: usize) -> Self {
        let z = if row < table.len() { table.get(row).to_vec() } else { Vec::new() };
        Self { z, origin: Origin::Row(row) }
    }

    /// What it is called.
    pub(super) fn title(&self, table: &LatentTable) -> String {
        match &self.origin {
            Origin::Row(row) => table.names().get(*row).cloned().unwrap_or_default(),
            Origin::Sample { seed, .. } => format!("sample {seed}"),
            Origin::Encoded(name) => format!("like {name}"),
            Origin::Free => "moved by hand".into(),
        }
    }

    /// How the command line names it: by name or row where it is in the table, else by its numbers.
    pub(super) fn argument(&self, table: &LatentTable) -> String {
        if let Origin::Row(row) = self.origin {
            let name = table.names().get(row);
            let by_name = name.filter(|n| table.find(n).is_ok_and(|found| found == row) && !n.ends_with(".npy"));
            return by_name.cloned().unwrap_or_else(|| format!("#{row}"));
        }
        self.z.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }
}

/// How two codes become one picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Mixing {
    /// A point on the line between them.
    #[default]
    Linear,
    /// A point on the great circle between them.
    Spherical,
    /// The first layers' weights from one, the rest from the other.
    Layers,
}

/// The weights that a picture is made with.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Weights {
    /// Those that the hypernetwork writes for a latent; of no entries for a single INR.
    Latent(Vec<f32>),
    /// Of two latents, the second from that layer on.
    Crossed { a: Vec<f32>, b: Vec<f32>, first_of_b: usize },
}

impl Weights {
    /// A model, and the latent with which it has these weights.
    pub(super) fn of(&self, model: &Arc<Model>) -> Result<(Arc<Model>, Vec<f32>)> {
        Ok(match self {
            Self::Latent(z) => (Arc::clone(model), z.clone()),
            Self::Crossed { a, b, first_of_b } => (Arc::new(model.crossed(a, b, *first_of_b)?), Vec::new()),
        })
    }
}

/// The two codes at hand and how they are mixed: what undo goes back over.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Codes {
    pub a: Code,
    pub b: Code,
    pub mixing: Mixing,
    /// Share of `b`.
    pub t: f32,
    /// Of [`Mixing::Layers`]: the first layer of `b`.
    pub first_of_b: usize,
    /// What a morph goes through; shared by the states that undo goes back over.
    pub keys: Vec<Arc<Code>>,
}

impl Codes {
    /// Those of a model at its beginning.
    pub(super) fn of(model: &Model, a: usize) -> Self {
        let table = &model.latents;
        let layers = model.inr.layers().len();
        Self {
            a: Code::row(table, a),
            b: Code::row(table, (a + 1) % table.len().max(1)),
            first_of_b: layers,
            ..Self::default()
        }
    }

    /// Whether they can be those of this model.
    pub(super) fn fit(&self, model: &Model) -> bool {
        let table = &model.latents;
        let fits = |code: &Code| {
            code.z.len() == model.latent_dim()
                && code.z.iter().all(|v| v.is_finite())
                && match code.origin {
                    // A single INR has no table.
                    Origin::Row(row) => code.z.is_empty() || row < table.len() && table.get(row) == code.z,
                    _ => true,
                }
        };
        fits(&self.a)
            && fits(&self.b)
            && self.keys.iter().all(|key| fits(key))
            && self.first_of_b <= model.inr.layers().len()
    }

    /// Rows of the table as they are now, after the model has learned more.
    pub(super) fn refresh(&mut self, table: &LatentTable) {
        for code in [&mut self.a, &mut self.b].into_iter().chain(self.keys.iter_mut().map(Arc::make_mut)) {
            if let Origin::Row(row) = code.origin {
                *code = Code::row(table, row);
            }
        }
    }

    fn path(&self) -> Path {
        if self.mixing == Mixing::Spherical { Path::Spherical } else { Path::Linear }
    }

    /// The weights of what is at hand.
    pub(super) fn weights(&self) -> Weights {
        let (a, b) = (&self.a.z, &self.b.z);
        match self.mixing {
            Mixing::Layers => Weights::Crossed { a: a.clone(), b: b.clone(), first_of_b: self.first_of_b },
            _ if self.t == 0.0 || a.is_empty() => Weights::Latent(a.clone()),
            _ => Weights::Latent(self.path().at(a, b, self.t)),
        }
    }

    /// The latent at hand as a code of its own; of crossed layers, the first one.
    pub(super) fn mixed(&self) -> Code {
        match self.weights() {
            Weights::Latent(z) if self.t != 0.0 => Code { z, origin: Origin::Free },
            _ => self.a.clone(),
        }
    }

    /// The flags that make `render` use the same weights.
    pub(super) fn flags(&self, table: &LatentTable) -> Vec<String> {
        let latent = |code: &Code| format!("--latent={}", code.argument(table));
        let (a, b) = (latent(&self.a), self.b.argument(table));
        match self.mixing {
            _ if self.a.z.is_empty() => Vec::new(),
            Mixing::Layers => vec![a, format!("--layers-from={b}:{}", self.first_of_b)],
            _ if self.t == 0.0 => match self.a.origin {
                Origin::Sample { seed, truncation } => {
                    vec![format!("--sample={seed}"), format!("--truncation={truncation}")]
                }
                _ => vec![a],
            },
            Mixing::Linear => vec![a, format!("--mix={b}:{}", self.t)],
            Mixing::Spherical => vec![a, format!("--mix={b}:{}", self.t), "--slerp".into()],
        }
    }
}

/// A morph through the keyframes, at some time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Player {
    pub playing: bool,
    /// Seconds since the first keyframe.
    pub time: f64,
    /// From one keyframe to the next.
    pub seconds: f32,
    pub easing: Easing,
    pub closed: bool,
    /// Whether the picture follows it, rather than the codes.
    pub shown: bool,
}

impl Default for Player {
    fn default() -> Self {
        Self { playing: false, time: 0.0, seconds: 1.0, easing: Easing::Smooth, closed: true, shown: false }
    }
}

impl Player {
    /// The morph itself.
    pub(super) fn morph(&self, codes: &Codes) -> Morph {
        Morph {
            keys: codes.keys.iter().map(|k| k.z.clone()).collect(),
            path: codes.path(),
            easing: self.easing,
            closed: self.closed,
        }
    }

    /// Seconds of all of it.
    pub(super) fn length(&self, codes: &Codes) -> f64 {
        self.morph(codes).segments() as f64 * f64::from(self.seconds)
    }

    /// Lets so many seconds pass; an open morph stops at its end.
    pub(super) fn advance(&mut self, codes: &Codes, seconds: f64) {
        let length = self.length(codes);
        if length <= 0.0 {
            self.playing = false;
            return;
        }
        self.time += seconds;
        if self.closed {
            self.time = self.time.rem_euclid(length);
        } else if self.time >= length {
            (self.time, self.playing) = (length, false);
        }
    }

    /// The latent at this time.
    pub(super) fn z(&self, codes: &Codes) -> Vec<f32> {
        #[expect(clippy::cast_possible_truncation, reason = "a place among keyframes")]
        let t = (self.time / f64::from(self.seconds)) as f32;
        self.morph(codes).at(t)
    }
}

/// What was undone and can be redone.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    past: Vec<Codes>,
    /// What was committed last.
    now: Option<Codes>,
    future: Vec<Codes>,
}

/// Steps that can be undone.
const MOST: usize = 200;

impl History {
    /// Takes note of a state that a person has come to rest at.
    pub(super) fn commit(&mut self, codes: &Codes) {
        if self.now.as_ref() == Some(codes) {
            return;
        }
        if let Some(now) = self.now.replace(codes.clone()) {
            self.past.push(now);
            let surplus = self.past.len().saturating_sub(MOST);
            self.past.drain(..surplus);
            self.future.clear();
        }
    }

    /// The state before this one.
    pub(super) fn undo(&mut self, codes: &mut Codes) {
        self.commit(codes);
        if let Some(before) = self.past.pop() {
            self.future.extend(self.now.replace(before.clone()));
            *codes = before;
        }
    }

    /// The state that was undone last.
    pub(super) fn redo(&mut self, codes: &mut Codes) {
        if let Some(after) = self.future.pop() {
            self.past.extend(self.now.replace(after.clone()));
            *codes = after;
        }
    }

    pub(super) fn can_undo(&self) -> bool {
        !self.past.is_empty()
    }

    pub(super) fn can_redo(&self) -> bool {
        !self.future.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(t: f32) -> Codes {
        let code = |x: f32| Code { z: vec![x, 1.0], origin: Origin::Free };
        Codes { a: code(0.0), b: code(2.0), t, ..Codes::default() }
    }

    #[test]
    fn undo_and_redo_go_over_what_was_committed() {
        let mut history = History::default();
        let mut now = codes(0.0);
        for t in [0.0, 0.25, 0.25, 0.5] {
            now = codes(t);
            history.commit(&now);
        }
        history.undo(&mut now);
        assert_eq!(now, codes(0.25));
        history.undo(&mut now);
        history.undo(&mut now);
        assert_eq!((now.clone(), history.can_undo()), (codes(0.0), false));
        history.redo(&mut now);
        assert_eq!(now, codes(0.25));
        // Something new: what was undone is gone.
        history.commit(&codes(1.0));
        assert!(!history.can_redo());
        now = codes(1.0);
        history.undo(&mut now);
        assert_eq!(now, codes(0.25));
    }

    #[test]
    fn what_a_model_begins_with_is_remembered() {
        let inr = crate::train::Config::fit().network.inr(2, 3, |_| Vec::new()).unwrap();
        let single = Model::random_siren(inr, 1);
        assert!(Codes::of(&single, 0).fit(&single));
        let emoji = crate::model::builtin("emoji").unwrap();
        assert!(Codes::of(&emoji, 3).fit(&emoji) && !Codes::of(&emoji, 3).fit(&single));
    }

    #[test]
    fn mixing() {
        assert_eq!(codes(0.5).weights(), Weights::Latent(vec![1.0, 1.0]));
        let layers = Codes { mixing: Mixing::Layers, first_of_b: 3, ..codes(0.5) };
        assert_eq!(layers.weights(), Weights::Crossed { a: vec![0.0, 1.0], b: vec![2.0, 1.0], first_of_b: 3 });
        let table = LatentTable::default();
        assert_eq!(codes(0.25).flags(&table), ["--latent=0,1", "--mix=2,1:0.25"]);
        assert_eq!(layers.flags(&table), ["--latent=0,1", "--layers-from=2,1:3"]);
    }

    #[test]
    fn names_that_mean_something_else_are_given_by_row() {
        let names = ["7", "cat", "cat", "z.npy"].map(String::from).to_vec();
        let table = LatentTable::new(names, vec![0.0, 1.0, 2.0, 3.0]).unwrap();
        let argument = |row| Code::row(&table, row).argument(&table);
        assert_eq!([0, 1, 2, 3].map(argument), ["7", "cat", "#2", "#3"]);
    }

    #[test]
    fn a_morph_loops_or_stops() {
        let mut codes = codes(0.0);
        codes.keys = [&codes.a, &codes.b].map(|code| Arc::new(code.clone())).to_vec();
        let mut player = Player { playing: true, easing: Easing::Linear, closed: false, ..Player::default() };
        player.advance(&codes, 0.25);
        assert_eq!(player.z(&codes), [0.5, 1.0]);
        player.advance(&codes, 2.0);
        assert_eq!((player.z(&codes), player.playing), (vec![2.0, 1.0], false));
        let mut looped = Player { closed: true, playing: true, ..player };
        looped.time = 1.75;
        looped.advance(&codes, 0.5);
        assert_eq!((looped.z(&codes), looped.playing), (vec![0.5, 1.0], true));
    }
}
