//! The program as a person runs it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub(crate) fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hypersine"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        // What this machine's user measured must not decide what the tests see.
        .env("XDG_CACHE_HOME", folder.join("cache"));
    command
}

pub(crate) fn hypersine(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

pub(crate) fn ok(folder: &Path, arguments: &[&str]) -> String {
    let out = hypersine(folder, arguments);
    assert!(out.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

pub(crate) fn json(folder: &Path, arguments: &[&str]) -> serde_json::Value {
    serde_json::from_str(&ok(folder, &[arguments, &["--json"]].concat())).unwrap()
}

/// Runs a command that must fail with status 1, one sentence on stderr that holds every one of `words`, and no
/// new file in the folder.
pub(crate) fn fails(folder: &Path, arguments: &[&str], words: &[&str]) {
    let list = || {
        let mut names: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
        names.sort();
        names
    };
    let before = list();
    let out = hypersine(folder, arguments);
    let stderr = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(1), "{arguments:?}: {stderr}");
    let lines: Vec<&str> = stderr.lines().filter(|l| !l.starts_with("warn:")).collect();
    assert_eq!(lines.len(), 1, "{arguments:?} should give one sentence: {stderr}");
    for word in words {
        assert!(lines[0].contains(word), "{arguments:?} should speak of '{word}': {stderr}");
    }
    assert!(!lines[0].contains("panicked"), "{stderr}");
    assert_eq!(before, list(), "{arguments:?} left a file behind");
}
