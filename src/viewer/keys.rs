//! What can be done by a key: one table that is both obeyed and shown.

use egui::{Key, Modifiers};
use glam::{DVec2, DVec3};

/// Something that a person asks for, by a key or a button.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Help,
    Fit,
    OneToOne,
    ZoomIn,
    ZoomOut,
    /// A solid turns that way.
    Turn(Way),
    /// What is shown moves that way.
    Move(Way),
    Fly,
    Normals,
    Slice,
    Wires,
    Next,
    Previous,
    Sample,
    Swap,
    SetB,
    Undo,
    Redo,
    AddKey,
    Play,
    Split,
    Error,
    Gradient,
    Beyond,
    Pause,
    Copy,
    SavePicture,
    Theme,
    Panel,
    Rebuild,
    Quit,
}

/// A direction on the canvas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Left,
    Right,
    Up,
    Down,
}

impl Way {
    /// x to the right and y down, of length 1.
    pub(super) fn step(self) -> DVec2 {
        match self {
            Self::Left => -DVec2::X,
            Self::Right => DVec2::X,
            Self::Up => -DVec2::Y,
            Self::Down => DVec2::Y,
        }
    }
}

const NONE: Modifiers = Modifiers::NONE;
const COMMAND: Modifiers = Modifiers::COMMAND;
const SHIFT: Modifiers = Modifiers::SHIFT;

/// Key, what it does, and how that is said. More specific combinations come first.
pub(super) const KEYS: &[(Modifiers, Key, Act, &str)] = &[
    (NONE, Key::Questionmark, Act::Help, "this list"),
    (NONE, Key::F, Act::Fit, "the whole picture, or the solid from where it was first seen"),
    (NONE, Key::O, Act::OneToOne, "one pixel of the signal on one of the screen"),
    (NONE, Key::Plus, Act::ZoomIn, "zoom in (or the wheel, about the pointer)"),
    (NONE, Key::Minus, Act::ZoomOut, "zoom out"),
    (SHIFT, Key::ArrowLeft, Act::Turn(Way::Left), "turn the solid to the left"),
    (SHIFT, Key::ArrowRight, Act::Turn(Way::Right), "turn it to the right"),
    (SHIFT, Key::ArrowUp, Act::Turn(Way::Up), "turn it upwards"),
    (SHIFT, Key::ArrowDown, Act::Turn(Way::Down), "turn it downwards"),
    (COMMAND, Key::ArrowLeft, Act::Move(Way::Left), "move what is shown to the left"),
    (COMMAND, Key::ArrowRight, Act::Move(Way::Right), "move it to the right"),
    (COMMAND, Key::ArrowUp, Act::Move(Way::Up), "move it upwards"),
    (COMMAND, Key::ArrowDown, Act::Move(Way::Down), "move it downwards"),
    (COMMAND.plus(SHIFT), Key::C, Act::Copy, "copy the command that renders this picture"),
    (NONE, Key::C, Act::Fly, "fly (W A S D, Q and E, drag to look), or orbit again"),
    (NONE, Key::N, Act::Normals, "a solid's normals, or clay"),
    (NONE, Key::L, Act::Slice, "a plane through the solid with lines of equal value"),
    (NONE, Key::M, Act::Wires, "the solid's mesh over it"),
    (NONE, Key::ArrowDown, Act::Next, "next latent"),
    (NONE, Key::ArrowUp, Act::Previous, "previous latent"),
    (NONE, Key::R, Act::Sample, "a random latent"),
    (NONE, Key::X, Act::Swap, "swap A and B"),
    (NONE, Key::B, Act::SetB, "what is shown becomes B"),
    (COMMAND.plus(SHIFT), Key::Z, Act::Redo, "redo"),
    (COMMAND, Key::Z, Act::Undo, "undo"),
    (NONE, Key::K, Act::AddKey, "what is shown becomes a keyframe"),
    (NONE, Key::Space, Act::Play, "play or stop the morph"),
    (NONE, Key::S, Act::Split, "the signal itself right of a divider"),
    (NONE, Key::E, Act::Error, "the signed error"),
    (NONE, Key::G, Act::Gradient, "the gradient's magnitude"),
    (NONE, Key::U, Act::Beyond, "beyond the trained coordinates"),
    (NONE, Key::P, Act::Pause, "pause learning, or go on"),
    (COMMAND, Key::S, Act::SavePicture, "save the picture"),
    (NONE, Key::T, Act::Theme, "dark or light"),
    (NONE, Key::H, Act::Panel, "hide or show the panel"),
    (NONE, Key::F5, Act::Rebuild, "rebuild the graphics device"),
    (COMMAND, Key::Q, Act::Quit, "quit"),
];

/// What the keys pressed in this frame ask for. Plain letters belong to a text field that is being typed in.
pub(super) fn pressed(context: &egui::Context) -> Vec<Act> {
    let typing = context.egui_wants_keyboard_input();
    let mut acts = Vec::new();
    context.input_mut(|input| {
        for &(modifiers, key, act, _) in KEYS {
            if typing && modifiers == NONE && key != Key::F5 {
                continue;
            }
            // As often as it was pressed, which may be more than once in a frame that took long.
            acts.extend(std::iter::repeat_n(act, input.count_and_consume_key(modifiers, key)));
        }
        // The same key without Shift on most keyboards.
        if !typing {
            acts.extend(std::iter::repeat_n(Act::ZoomIn, input.count_and_consume_key(NONE, Key::Equals)));
        }
    });
    acts
}

/// A key as a person reads it.
pub(super) fn name(modifiers: Modifiers, key: Key) -> String {
    let mut text = String::new();
    if modifiers.command {
        text += "Ctrl+";
    }
    if modifiers.shift {
        text += "Shift+";
    }
    text + match key {
        Key::Questionmark | Key::Plus | Key::Minus => key.symbol_or_name(),
        // Symbols of arrows are not in every font.
        Key::ArrowDown => "Down",
        Key::ArrowUp => "Up",
        Key::ArrowLeft => "Left",
        Key::ArrowRight => "Right",
        _ => key.name(),
    }
}

/// The way that the keys held down now fly: right, up and backwards, 1 each. They mean other things to who does not fly.
pub(super) fn flight(context: &egui::Context) -> DVec3 {
    if context.egui_wants_keyboard_input() {
        return DVec3::ZERO;
    }
    context.input(|input| {
        let held = |key| f64::from(u8::from(input.key_down(key) && !input.modifiers.command));
        let along = |towards, away| held(towards) - held(away);
        DVec3::new(along(Key::D, Key::A), along(Key::E, Key::Q), along(Key::S, Key::W))
    })
}

/// The key of an act, for a tooltip.
pub(super) fn of(act: Act) -> String {
    KEYS.iter().find(|k| k.2 == act).map_or_else(String::new, |k| name(k.0, k.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_means_two_things_and_every_act_has_one() {
        for (i, a) in KEYS.iter().enumerate() {
            assert!(KEYS[i + 1..].iter().all(|b| (a.0, a.1) != (b.0, b.1) && a.2 != b.2), "{a:?}");
        }
    }
}
