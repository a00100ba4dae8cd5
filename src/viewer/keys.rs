//! What can be done by a key: one table that is both obeyed and shown.

use egui::{Key, Modifiers};

/// Something that a person asks for, by a key or a button.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Help,
    Fit,
    OneToOne,
    ZoomIn,
    ZoomOut,
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

const NONE: Modifiers = Modifiers::NONE;
const COMMAND: Modifiers = Modifiers::COMMAND;
const SHIFT: Modifiers = Modifiers::SHIFT;

/// Key, what it does, and how that is said. More specific combinations come first.
pub(super) const KEYS: &[(Modifiers, Key, Act, &str)] = &[
    (NONE, Key::Questionmark, Act::Help, "this list"),
    (NONE, Key::F, Act::Fit, "fit the picture to the window"),
    (NONE, Key::O, Act::OneToOne, "one pixel of the signal on one of the screen"),
    (NONE, Key::Plus, Act::ZoomIn, "zoom in (or the wheel, about the pointer)"),
    (NONE, Key::Minus, Act::ZoomOut, "zoom out"),
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
    (COMMAND.plus(SHIFT), Key::C, Act::Copy, "copy the command that renders this picture"),
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
            while input.consume_key(modifiers, key) {
                acts.push(act);
            }
        }
        // The same key without Shift on most keyboards.
        while !typing && input.consume_key(NONE, Key::Equals) {
            acts.push(Act::ZoomIn);
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
        _ => key.name(),
    }
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
