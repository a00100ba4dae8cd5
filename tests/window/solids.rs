//! Solids: a family turned, sliced, morphed, searched, and taken out as a mesh.

use std::cell::Cell;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::photographs::{canvas, changed, distance};
use crate::screen::{Screen, Viewer};
use crate::walk::{AWAY, Walk, alone, report};

/// Controls of the panel, from its left edge and the window's top.
const EXPORT_TAB: [u32; 2] = [88, 35];
const SAVE_MESH: [u32; 2] = [132, 227];

/// Writes a block around the origin of that height, as a shape.
fn block(path: &Path, height: f64) {
    let corners = [[-1, -1], [1, -1], [1, 1], [-1, 1]].map(|[x, z]| (0.8 * f64::from(x), 0.5 * f64::from(z)));
    let mut text = String::from("OFF\n8 6 0\n");
    for y in [-height, height] {
        corners.iter().for_each(|(x, z)| writeln!(text, "{x} {y} {z}").unwrap());
    }
    text += "4 0 1 2 3\n4 7 6 5 4\n4 4 5 1 0\n4 5 6 2 1\n4 6 7 3 2\n4 7 4 0 3\n";
    std::fs::write(path, text).unwrap();
}

/// A family of solids: turned, moved, sliced, morphed, and taken out as a mesh; what the window shows at rest is what its
/// command makes.
#[test]
fn the_window_on_solids() {
    let _alone = alone();
    let started = Instant::now();
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("blocks")).unwrap();
    for (name, height) in [("flat", 0.2), ("high", 0.7), ("middling", 0.45)] {
        block(&dir.path().join(format!("blocks/{name}.off")), height);
    }
    let train = "train blocks -o blocks.safetensors --steps 250 --width 16 --layers 2 --omega 8 --points 512 --lr 3e-3 \
                 --latent-dim 2 --features 8 --device cpu";
    let trained =
        Command::new(env!("CARGO_BIN_EXE_hypersine")).args(train.split_whitespace()).current_dir(dir.path()).output();
    assert!(trained.unwrap().status.success());
    println!("solids: trained after {:.1} s", started.elapsed().as_secs_f64());

    let screen = Screen::start();
    let sizes = [[430, 300]; 2];
    let arguments = ["blocks.safetensors", "--latent", "high", "--size", "430x300", "--device", "cpu", "--fresh"];
    let viewer = Viewer::open(&screen, dir.path(), &arguments);
    let stop = Cell::new(0);
    let walk = Walk { viewer: &viewer, device: "solids", folder: dir.path(), stop: &stop, sizes };
    viewer.settled(0);
    let opened = viewer.snapshot(&walk.name("opened"));
    let picture = canvas(&opened);
    let background = *picture.get_pixel(0, 0);
    let of_solid = picture.pixels().filter(|p| distance(**p, background) > 8).count() as f64;
    let share = of_solid / f64::from(picture.width() * picture.height());
    println!("solids: {share:.2} of the canvas is solid");
    assert!((0.1..0.8).contains(&share));

    viewer.change(&format!(
        "mousemove 80 150 sleep 0.1 mousedown 1 sleep 0.1 mousemove 110 140 sleep 0.1 mousemove 145 130 sleep 0.1 mouseup 1 {AWAY}"
    ));
    let turned = viewer.snapshot(&walk.name("turned"));
    assert!(changed(&opened, &turned) > 0.02);
    let pan = "keydown shift mousedown 1 sleep 0.1 mousemove 105 160 sleep 0.1 mousemove 110 165 sleep 0.1 mouseup 1 keyup shift";
    viewer.change(&format!("mousemove 80 150 sleep 0.1 {pan} sleep 0.1 click 4 sleep 0.1 {AWAY}"));
    let (moved, command) = walk.reproduces("moved");
    assert!(changed(&turned, &moved) > 0.02);
    assert!(
        command.contains("--latent=high") && command.contains("--camera=") && command.contains(" --aa=2 "),
        "{command}"
    );

    viewer.change("key k key Down key k");
    let from = viewer.lines().len();
    viewer.hand("key space sleep 0.4");
    let first = viewer.snapshot(&walk.name("morph"));
    walk.until("morph", |window| changed(&first, window) > 0.02);
    viewer.change("key space");
    assert!(viewer.numbers(from, "age_ms").len() > 3);
    viewer.change("key l");
    let (sliced, command) = walk.reproduces("morph-stopped-and-sliced");
    assert!(command.contains("--slice=z,0"), "{command}");
    // Lines over it, which are no part of the picture.
    viewer.hand("key m");
    walk.until("wires", |window| changed(&sliced, window) > 0.005);

    viewer.hand(&walk.click(EXPORT_TAB));
    viewer.hand(&walk.click(SAVE_MESH));
    let file = dir.path().join("mesh.ply");
    viewer.wait("the mesh", || file.exists().then_some(()));
    let mesh = hypersine::signal::shape::load::mesh(&file).unwrap();
    println!("solids: a mesh of {} triangles", mesh.triangles.len());
    assert!(mesh.is_closed() && mesh.triangles.len() > 1000);
    viewer.snapshot(&walk.name("exported"));

    let from = viewer.lines().len();
    viewer.drop_file(&dir.path().join("blocks/flat.off"));
    let losses = viewer.wait("a search that comes closer", || {
        Some(viewer.numbers(from, "loss"))
            .filter(|losses| losses.len() > 1 && losses[losses.len() - 1] < 0.5 * losses[0])
    });
    println!("solids: searched, from {} to {}", losses[0], losses[losses.len() - 1]);
    viewer.snapshot(&walk.name("searched"));
    println!("solids: {:.0} s in all", started.elapsed().as_secs_f64());
    report(&viewer);
}
