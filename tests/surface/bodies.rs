//! Solids of a trained family.

use std::sync::Arc;

use hypersine::engine::{Body, Engine};
use hypersine::model::builtin;
use hypersine::surface::{components, extract};

use crate::checks::{euler, volume_and_area};

/// Twenty latents of the built-in bodies: their meshes are closed, manifold and face outwards, by our own count and by
/// tri-mesh's, and next to all of each body is one piece.
#[test]
fn twenty_bodies_are_closed_manifold_and_face_outwards() {
    let model = Arc::new(builtin("bodies").unwrap());
    let mut rest = 0.0_f64;
    for row in (0..model.latents.len()).step_by(model.latents.len() / 20).take(20) {
        let mut body = Body::new(&Engine::cpu(), &model, model.latents.get(row)).unwrap();
        let settings = body.settings(72);
        let (surface, _) = extract(&mut body, &settings).unwrap();
        // Panics where the mesh is not what it must be.
        euler(&surface.mesh);
        let [volume, _] = volume_and_area(&surface.mesh);
        assert!(volume > 0.0, "{row} faces inwards");
        rest = rest.max(1.0 - components(&surface.mesh)[0].volume / volume);
    }
    println!("at most {rest:.1e} of a body's volume is not in one piece");
    assert!(rest < 0.01);
}
