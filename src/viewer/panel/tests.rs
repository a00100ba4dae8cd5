//! The controls as a person uses them, without a window: by names and places on them, with keys and the pointer.

use std::sync::Arc;

use egui::{Key, Modifiers, Pos2, Vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};

use super::{Asked, Course, Exports, Facts, LearnFacts, Panel, Tab};
use crate::model::{Family, HeadChoice, Model, Solid, ValueRange, WeightChoice, builtin};
use crate::signal::Picture;
use crate::surface::Cube;
use crate::trace;
use crate::train::Config;
use crate::viewer::keys::Act;
use crate::viewer::latent::{Code, Codes, Mixing, Origin};
use crate::viewer::learn::Mark;
use crate::viewer::scene::{Look, Scene, Truth};

struct World {
    panel: Panel,
    scene: Scene,
    facts: Facts,
    /// Of all frames so far.
    asked: Vec<Asked>,
}

impl World {
    fn acts(&self) -> Vec<Act> {
        self.asked.iter().flat_map(|a| a.acts.clone()).collect()
    }
}

const SIZE: Vec2 = Vec2::new(900.0, 700.0);

fn emoji() -> Arc<Model> {
    Arc::new(builtin("emoji").unwrap())
}

fn open(tab: Tab) -> Harness<'static, World> {
    open_on(emoji(), "@emoji", tab)
}

/// A family of solids that has learned nothing.
fn solids() -> Arc<Model> {
    let inr = Config::fit_solid().network.inr(3, 1, |_| Vec::new()).unwrap();
    let family = Family { latent_dim: 2, features: 4, latents: 5, ..Family::default() };
    let choice = HeadChoice { weight: WeightChoice::Linear, modulation: None };
    Arc::new(Model { solid: Some(Solid::default()), ..family.build(inr, |_| choice) })
}

fn open_on(model: Arc<Model>, name: &str, tab: Tab) -> Harness<'static, World> {
    let codes = Codes::of(&model, 3);
    let scene = Scene::new(model, Some(name.into()), codes);
    let world = World { panel: Panel::at(tab), scene, facts: Facts::default(), asked: Vec::new() };
    let mut harness = Harness::builder().with_size(SIZE).build_ui_state(
        |ui, world: &mut World| {
            let frame = world.panel.show(ui, &mut world.scene, &world.facts);
            world.asked.push(frame.asked);
        },
        world,
    );
    harness.run();
    harness
}

#[test]
fn every_tab_shows_and_fits_its_panel() {
    for tab in [Tab::Latents, Tab::Map, Tab::Mix, Tab::Insight, Tab::Learn, Tab::Export] {
        let mut harness = open(tab);
        let picture = Picture { width: 2, height: 1, channels: 3, values: vec![0.0; 6], range: ValueRange::default() };
        harness.state_mut().scene.truth = Some(Truth { name: "a rather long name".into(), picture: Arc::new(picture) });
        harness.state_mut().facts.learning = Some(learning());
        harness.run();
        // What is wider than the panel would be cut off at the window's edge.
        for node in harness.query_all_by(|_| true) {
            let node = node.accesskit_node();
            let right = node.bounding_box().map_or(0.0, |b| b.x1);
            assert!(right <= f64::from(SIZE.x) + 1.0, "{tab:?}: {:?} ends at {right}", node.label());
        }
    }
}

#[test]
fn a_latent_is_searched_and_chosen() {
    let mut harness = open(Tab::Latents);
    let field = harness.get_by_role(egui::accesskit::Role::TextInput);
    field.focus();
    field.type_text("parro");
    harness.run();
    harness.get_by_label("parrot").click();
    harness.run();
    let scene = &harness.state().scene;
    let row = scene.model.latents.find("parrot").unwrap();
    assert_eq!(scene.codes.a.origin, Origin::Row(row));
    assert_eq!(scene.title(), "parrot");
}

#[test]
fn letters_in_a_field_are_no_commands() {
    let mut harness = open(Tab::Latents);
    harness.get_by_role(egui::accesskit::Role::TextInput).focus();
    harness.run();
    harness.key_press(Key::H);
    harness.key_press(Key::R);
    harness.run();
    assert!(!harness.state().panel.hidden && harness.state().scene.codes.a.origin == Origin::Row(3));
}

#[test]
fn keys_do_what_the_list_says() {
    let mut harness = open(Tab::Latents);
    harness.key_press(Key::ArrowDown);
    harness.run();
    assert_eq!(harness.state().scene.codes.a.origin, Origin::Row(4));
    harness.key_press(Key::R);
    harness.run();
    assert!(matches!(harness.state().scene.codes.a.origin, Origin::Sample { .. }));
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    harness.run();
    assert_eq!(harness.state().scene.codes.a.origin, Origin::Row(4));
    harness.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    harness.run();
    assert!(matches!(harness.state().scene.codes.a.origin, Origin::Sample { .. }));
    harness.key_press(Key::G);
    harness.key_press(Key::U);
    // Without a signal there is no error to look at.
    harness.run();
    assert_eq!((harness.state().scene.look, harness.state().scene.extrapolate), (Look::Gradient, true));
    harness.key_press(Key::E);
    harness.run();
    assert_eq!(harness.state().scene.look, Look::Picture);
    for (key, act) in [(Key::F, Act::Fit), (Key::O, Act::OneToOne), (Key::P, Act::Pause), (Key::F5, Act::Rebuild)] {
        harness.key_press(key);
        harness.run();
        assert!(harness.state().acts().contains(&act), "{act:?}");
    }
    harness.key_press(Key::Questionmark);
    harness.run();
    harness.get_by_label("copy the command that renders this picture");
    harness.key_press(Key::Escape);
    harness.run();
    assert!(harness.query_by_label("copy the command that renders this picture").is_none());
}

#[test]
fn the_map_moves_a_latent_in_the_principal_plane_and_nowhere_else() {
    let mut harness = open(Tab::Map);
    let map = harness.get_by_label("map of the latents").rect();
    let before = harness.state().scene.codes.a.z.clone();
    let (from, to) = (map.center(), map.center() + Vec2::new(60.0, -40.0));
    harness.hover_at(from);
    harness.drag_at(from);
    for i in 1..=5_u8 {
        harness.hover_at(from + (to - from) * (f32::from(i) / 5.0));
        harness.step();
    }
    harness.drop_at(to);
    harness.run();
    let scene = &harness.state().scene;
    let (principal, after) = (&scene.principal, &scene.codes.a.z);
    assert_eq!(scene.codes.a.origin, Origin::Free);
    // Right of the centre and above it: both coordinates are positive, and where the pointer was.
    let place = |z: &[f32], axis: usize| principal.place(z, axis) / principal.deviations[axis];
    let want = [60.0, 40.0].map(|pixels: f32| pixels * 2.0 / map.width() * 3.2);
    for (axis, want) in want.into_iter().enumerate() {
        assert!((place(after, axis) - want).abs() < 0.05, "axis {axis}: {} for {want}", place(after, axis));
    }
    for axis in 2..6 {
        assert!((place(after, axis) - place(&before, axis)).abs() < 1e-3, "axis {axis} moved");
    }
}

#[test]
fn mixing_and_morphs() {
    let mut harness = open(Tab::Mix);
    harness.get_by_label("layers").click();
    harness.run();
    assert_eq!(harness.state().scene.codes.mixing, Mixing::Layers);
    harness.get_by_label("spherical").click();
    harness.get_by_label("Swap").click();
    harness.run();
    let codes = &harness.state().scene.codes;
    assert_eq!((codes.mixing, &codes.a.origin, &codes.b.origin), (Mixing::Spherical, &Origin::Row(4), &Origin::Row(3)));
    harness.get_by_label("Add keyframe").click();
    harness.run();
    harness.key_press(Key::ArrowDown);
    harness.run();
    harness.get_by_label("Add keyframe").click();
    harness.run();
    assert_eq!(harness.state().scene.codes.keys.len(), 2);
    harness.get_by_label("Play").click();
    harness.run();
    assert!(harness.state().scene.player.playing && harness.state().scene.player.shown);
    harness.get_by_label("Stop").click();
    harness.run();
    assert!(!harness.state().scene.player.playing);
}

#[test]
fn the_canvas_pans_zooms_and_splits() {
    let mut harness = open(Tab::Latents);
    let before = harness.state().scene.view;
    let at = Pos2::new(200.0, 300.0);
    harness.hover_at(at);
    harness.run();
    let modifiers = Modifiers::NONE;
    let (unit, phase) = (egui::MouseWheelUnit::Line, egui::TouchPhase::Move);
    harness.event(egui::Event::MouseWheel {
        unit,
        delta: Vec2::new(0.0, 2.0),
        phase,
        source: egui::MouseWheelSource::Wheel,
        modifiers,
    });
    harness.run();
    let zoomed = harness.state().scene.view;
    assert!((zoomed.scale / before.scale - 1.44).abs() < 1e-6, "{zoomed:?}");
    harness.drag_at(at);
    harness.step();
    harness.hover_at(at + Vec2::new(30.0, 10.0));
    harness.step();
    harness.drop_at(at + Vec2::new(30.0, 10.0));
    harness.run();
    let moved = (harness.state().scene.view.centre - zoomed.centre) * zoomed.scale;
    assert!((moved - glam::DVec2::new(-30.0, -10.0)).length() < 1e-3, "{moved:?}");

    let picture = Picture { width: 2, height: 2, channels: 3, values: vec![0.0; 12], range: ValueRange::default() };
    harness.state_mut().scene.truth = Some(Truth { name: "it".into(), picture: Arc::new(picture) });
    harness.key_press(Key::S);
    harness.run();
    assert!(harness.state().scene.split);
    let line = Pos2::new(0.5 * (SIZE.x - super::WIDTH), 300.0);
    harness.hover_at(line);
    harness.drag_at(line);
    harness.step();
    harness.hover_at(line - Vec2::new(100.0, 0.0));
    harness.step();
    harness.drop_at(line - Vec2::new(100.0, 0.0));
    harness.run();
    let want = 0.5 - 100.0 / (SIZE.x - super::WIDTH);
    assert!((harness.state().scene.divider - want).abs() < 0.01, "{}", harness.state().scene.divider);
}

#[test]
fn a_solid_is_turned_moved_and_flown_around() {
    let mut harness = open_on(solids(), "m.safetensors", Tab::Insight);
    let drag = |harness: &mut Harness<'static, World>, modifiers: Modifiers| {
        let at = Pos2::new(200.0, 300.0);
        harness.event(egui::Event::PointerMoved(at));
        harness.step();
        let press =
            |pressed| egui::Event::PointerButton { pos: at, button: egui::PointerButton::Primary, pressed, modifiers };
        harness.event_modifiers(press(true), modifiers);
        harness.step();
        harness.event_modifiers(egui::Event::PointerMoved(at + Vec2::new(50.0, -25.0)), modifiers);
        harness.step();
        harness.event_modifiers(press(false), Modifiers::NONE);
        harness.run();
        harness.state().scene.sight.orbit
    };
    let before = harness.state().scene.sight.orbit;
    let turned = drag(&mut harness, Modifiers::NONE);
    assert!(turned.azimuth < before.azimuth - 10.0 && turned.elevation < before.elevation - 5.0, "{turned:?}");
    assert_eq!(turned.target, None);
    let moved = drag(&mut harness, Modifiers::SHIFT);
    assert!(moved.target.is_some() && moved.azimuth == turned.azimuth, "{moved:?}");
    harness.key_press_modifiers(Modifiers::SHIFT, Key::ArrowRight);
    harness.key_press(Key::N);
    harness.key_press(Key::L);
    harness.key_press(Key::M);
    harness.run();
    let sight = &harness.state().scene.sight;
    assert!((sight.orbit.azimuth - turned.azimuth + 10.0).abs() < 1e-3 && sight.orbit.target == moved.target);
    assert!(sight.look == trace::Look::Normals && sight.sliced && sight.wired);
    // Keys that are of pictures, or of who flies, do nothing here.
    for key in [Key::S, Key::E, Key::G] {
        harness.key_press(key);
        harness.run();
    }
    assert!(!harness.state().scene.split && harness.state().scene.look == Look::Picture);
    harness.key_press(Key::C);
    harness.run();
    harness.event(egui::Event::Key {
        key: Key::W,
        physical_key: None,
        pressed: true,
        repeat: false,
        modifiers: Modifiers::NONE,
    });
    (0..5).for_each(|_| harness.step());
    harness.event(egui::Event::Key {
        key: Key::W,
        physical_key: None,
        pressed: false,
        repeat: false,
        modifiers: Modifiers::NONE,
    });
    harness.run();
    let flown = harness.state().scene.sight.orbit;
    assert!(flown.target != moved.target && flown.azimuth == turned.azimuth - 10.0, "{flown:?}");
    let command = harness.state().scene.command(glam::DVec2::new(650.0, 700.0), 1, "p.png");
    let sight = &harness.state().scene.sight;
    let camera = sight.orbit.text(&Cube::default());
    assert!(command.contains(&format!("--size=650x700 --camera={camera} --look=normals --slice=z,0 -o")), "{command}");
}

#[test]
fn tabs_of_solids_fit_their_panel_and_leave_out_what_is_of_pictures() {
    for tab in [Tab::Latents, Tab::Map, Tab::Mix, Tab::Insight, Tab::Learn, Tab::Export] {
        let mut harness = open_on(solids(), "m.safetensors", tab);
        harness.run();
        for node in harness.query_all_by(|_| true) {
            let node = node.accesskit_node();
            let right = node.bounding_box().map_or(0.0, |b| b.x1);
            assert!(right <= f64::from(SIZE.x) + 1.0, "{tab:?}: {:?} ends at {right}", node.label());
        }
        assert!(harness.query_by_label("gradient").is_none() && harness.query_by_label("strategy").is_none());
    }
    let mut harness = open_on(solids(), "m.safetensors", Tab::Export);
    harness.get_by_label("Save the mesh").click();
    harness.run();
    let mesh = Exports::Mesh { path: "mesh.ply".into(), cells: 128 };
    assert!(harness.state().asked.iter().any(|a| a.export.as_ref() == Some(&mesh)));
}

fn learning() -> LearnFacts {
    let mut course = Course::default();
    (1..2000).for_each(|step| course.add(Mark { step, loss: 1.0 / step as f64, psnr: Some(step as f64 / 100.0) }));
    let config = Some(Config::fit());
    LearnFacts {
        what: "A single INR learns something.".into(),
        course,
        steps: Some(5000),
        seconds: 3.0,
        paused: false,
        end: None,
        config,
        rates: Some((1e-4, 1e-3)),
    }
}

#[test]
fn a_run_is_paused_and_begun_again() {
    let mut harness = open(Tab::Learn);
    harness.state_mut().facts.learning = Some(learning());
    harness.run();
    harness.get_by_label("Pause").click();
    harness.get_by_label("Begin again").click();
    harness.run();
    assert_eq!(harness.state().acts(), [Act::Pause]);
    let restarts: Vec<&Config> = harness.state().asked.iter().filter_map(|a| a.restart.as_deref()).collect();
    assert_eq!(restarts, [&Config::fit()]);
}

#[test]
fn files_and_errors() {
    let mut harness = open(Tab::Export);
    harness.get_by_label("Save").click();
    harness.get_by_label("Save the latent").click();
    harness.run();
    harness.key_press_modifiers(Modifiers::COMMAND, Key::S);
    harness.run();
    let wanted: Vec<&Exports> = harness.state().asked.iter().filter_map(|a| a.export.as_ref()).collect();
    let picture = Exports::Picture { path: "picture.png".into(), width: 1024 };
    assert!(wanted.iter().filter(|e| ***e == picture).count() >= 1 && wanted.len() >= 2, "{wanted:?}");
    harness.state_mut().panel.error = Some("the disk is full".into());
    harness.run();
    harness.get_by_label("the disk is full");
    harness.get_by_label("Dismiss").click();
    harness.run();
    assert!(harness.query_by_label("the disk is full").is_none());
}

#[test]
fn the_command_names_what_is_shown() {
    let mut harness = open(Tab::Mix);
    let scene = &mut harness.state_mut().scene;
    scene.codes.t = 0.25;
    scene.codes.b = Code { z: vec![0.5; scene.model.latent_dim()], origin: Origin::Free };
    scene.view = crate::viewer::view::View::fit(glam::DVec2::new(650.0, 700.0), &scene.frame());
    let command = scene.command(glam::DVec2::new(650.0, 700.0), 2, "a b.png");
    let name = &scene.model.latents.names()[3];
    assert!(command.starts_with(&format!("hypersine render @emoji --latent={name} --mix=0.5,0.5,")), "{command}");
    assert!(command.contains(":0.25 --size=6") && command.ends_with("--aa=2 -o 'a b.png'"), "{command}");
}
