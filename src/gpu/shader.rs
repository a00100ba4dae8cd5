//! Shader linking: the files in `shaders/` are WGSL with lines of `//# directive` and `${ value }` places,
//! rendered per model by minijinja. Loops over the register tile are unrolled here, because naga writes
//! `while` loops that many drivers will not unroll, and register arrays need constant indices.
//!
//! `HYPERSINE_SHADER_DUMP=folder` writes every final text there; debug builds read the files from disk.

use std::path::Path;
use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, ErrorKind};
use serde::Serialize;

use super::evaluate::EvaluateSpec;
use super::generate::ProductSpec;
use crate::model::Inr;

macro_rules! sources {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../shaders/", $name)))),*]
    };
}

/// Every shader file, embedded.
pub const SOURCES: &[(&str, &str)] = sources![
    "evaluate.wgsl",
    "product.wgsl",
    "present.wgsl",
    "include/layers.wgsl",
    "include/fill.wgsl",
    "include/points.wgsl",
    "include/target.wgsl",
    "heads/materialised.wgsl",
    "heads/shared.wgsl",
    "heads/linear.wgsl",
    "activations/sine.wgsl",
];

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut env = Environment::new();
    let syntax = SyntaxConfig::builder().line_statement_prefix("//#").variable_delimiters("${", "}").build();
    env.set_syntax(syntax.expect("the delimiters are constants that minijinja accepts"));
    env.set_undefined_behavior(minijinja::UndefinedBehavior::SemiStrict);
    env.set_loader(|name| {
        if cfg!(debug_assertions) {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders").join(name);
            if let Ok(text) = std::fs::read_to_string(path) {
                return Ok(Some(text));
            }
        }
        let found = SOURCES.iter().find(|(n, _)| *n == name);
        found
            .map(|(_, text)| Some((*text).to_owned()))
            .ok_or_else(|| Error::new(ErrorKind::TemplateNotFound, name.to_owned()))
    });
    env
});

/// The final WGSL of `file` for the values in `context`.
///
/// # Panics
/// Where the file does not render: its text and its contexts are part of this program, and a test renders
/// every kernel.
pub fn link(file: &str, context: &impl Serialize) -> String {
    let render = || ENVIRONMENT.get_template(file)?.render(minijinja::value::Serde(context));
    let text = render().unwrap_or_else(|e| panic!("shaders/{file} does not link: {e:#}"));
    if let Some(folder) = std::env::var_os("HYPERSINE_SHADER_DUMP") {
        dump(Path::new(&folder), file, &text);
    }
    text
}

/// Writes a linked text under a name that tells variants apart.
fn dump(folder: &Path, file: &str, text: &str) {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let stem = file.trim_end_matches(".wgsl").replace('/', "-");
    let path = folder.join(format!("{stem}-{:016x}.wgsl", hasher.finish()));
    if let Err(e) = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, text)) {
        log::warn!("cannot write {}: {e}", path.display());
    }
}

/// Every kernel in every variant that the linker can make of it, for a few INRs: `(name, WGSL)`. What a test
/// translates to other shading languages, and what a reader may want to see.
pub fn portable_kernels() -> Vec<(String, String)> {
    let mut kernels = vec![("present".to_owned(), link("present.wgsl", &()))];
    for spec in ProductSpec::VARIANTS {
        kernels.push((format!("product {spec:?}"), link("product.wgsl", &spec)));
    }
    let kinds: [&[&'static str]; 5] =
        [&["materialised"], &["shared"], &["linear"], &["shared", "linear"], &["materialised", "shared"]];
    let inrs = [Inr::siren(2, 64, 4, 3, 30.0), Inr::siren(2, 37, 1, 1, 30.0), Inr::siren(2, 512, 2, 4, 30.0)];
    for inr in &inrs {
        for kinds in kinds {
            for domain in ["grid", "points"] {
                for texture in ["", "rgba8unorm", "rgba16float", "rgba32float"] {
                    if domain == "points" && !texture.is_empty() {
                        continue;
                    }
                    let spec = EvaluateSpec::new(inr, kinds.to_vec(), domain, texture);
                    let name = format!("evaluate {inr} {} {domain} {texture}", kinds.join("+"));
                    kernels.push((name, link("evaluate.wgsl", &spec)));
                }
            }
        }
    }
    for inr in [Inr::siren(1, 5, 2, 16, 30.0), Inr::siren(4, 130, 3, 7, 30.0)] {
        let spec = EvaluateSpec::new(&inr, vec!["materialised"], "points", "");
        kernels.push((format!("evaluate {inr} points"), link("evaluate.wgsl", &spec)));
    }
    kernels
}
