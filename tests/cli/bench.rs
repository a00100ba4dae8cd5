//! `bench` as a person runs it: records, pages, and what is kept for later runs.

use crate::common::program::{command, fails, json, ok};

#[test]
fn devices_and_bench_speak_json() {
    let dir = tempfile::tempdir().unwrap();
    let devices = json(dir.path(), &["devices"]);
    assert!(!devices["adapters"].as_array().unwrap().is_empty());
    let bench = json(dir.path(), &["bench", "jets", "generate", "--quick", "--points", "300", "--samples", "1"]);
    let rows = bench["rows"].as_array().unwrap();
    assert!(rows.len() >= 10);
    assert!(rows.iter().all(|r| r["verified"] == true), "{bench}");
}

/// What a record of `bench` has to look like.
fn schema() -> jsonschema::Validator {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/bench.schema.json");
    jsonschema::validator_for(&serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()).unwrap()
}

#[test]
fn tiles_are_searched_for_kept_shown_and_overridden() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    let shown = |folder: &std::path::Path| json(folder, &["devices"])["tiles"][0].clone();
    assert!(shown(folder)["source"] != "measured here");
    // A look keeps nothing; its rows are right, whatever tiles they had, and there was more than one.
    let look = json(folder, &["bench", "tune", "--quick", "--points", "2048", "--samples", "1", "--device", "gpu"]);
    let rows = look["rows"].as_array().unwrap();
    assert!(rows.iter().all(|r| r["verified"] == true && r["suite"] == "tune"), "{look}");
    let texts: std::collections::BTreeSet<_> = rows.iter().map(|r| r["kernels"][0]["text"].to_string()).collect();
    println!("{} rows, {} kernels, {}", rows.len(), texts.len(), look["tiles"]);
    assert!(texts.len() > 8);
    assert!(schema().is_valid(&look));
    assert!(shown(folder)["source"] != "measured here");

    // What the cache has is used and shown, unless a file is named, or the rule.
    let device = rows[0]["device"].as_str().unwrap();
    let tile = serde_json::json!({"rows": 4, "quads": 1, "point_groups": 8, "slab": 4, "share": false});
    let kernel = |setting: Option<&str>| {
        let arguments =
            ["bench", "frame", "--quick", "--points", "4096", "--samples", "1", "--device", "gpu", "--json"];
        let mut command = command(folder, &arguments);
        setting.map(|s| command.env("HYPERSINE_TILES", s));
        let out = command.output().unwrap();
        (out.status.code(), String::from_utf8(out.stdout).unwrap(), String::from_utf8(out.stderr).unwrap())
    };
    let texts = |out: &(Option<i32>, String, String)| {
        assert_eq!(out.0, Some(0), "{}", out.2);
        let record: serde_json::Value = serde_json::from_str(&out.1).unwrap();
        let rows = record["rows"].as_array().unwrap().clone();
        assert!(rows.iter().all(|r| r["verified"] == true));
        rows.iter()
            .map(|r| r["kernels"].as_array().unwrap().iter().map(|k| k["text"].to_string()).collect())
            .collect::<Vec<Vec<_>>>()
    };
    let by_rule = texts(&kernel(Some("usual")));
    let kinds = serde_json::json!({"64 wide": tile, "64 wide, linear heads": tile});
    let cached = serde_json::json!({"devices": {device: kinds}});
    std::fs::create_dir_all(folder.join("cache/hypersine")).unwrap();
    std::fs::write(folder.join("cache/hypersine/tiles.json"), cached.to_string()).unwrap();
    let kept = shown(folder);
    assert!(kept["source"] == "measured here" && kept["tiles"]["64 wide"] == tile, "{kept}");
    let measured = texts(&kernel(None));
    assert_ne!(measured, by_rule);
    assert_eq!(texts(&kernel(Some("usual"))), by_rule);
    std::fs::write(folder.join("table.json"), serde_json::json!({"": kinds}).to_string()).unwrap();
    assert_eq!(texts(&kernel(Some("table.json"))), measured);
    // A tile that no adapter can have is passed over; what is no table is said.
    let mut huge = kinds.clone();
    huge["64 wide"]["rows"] = 4096.into();
    huge["64 wide, linear heads"]["slab"] = 0.into();
    std::fs::write(folder.join("table.json"), serde_json::json!({"": huge}).to_string()).unwrap();
    assert_eq!(texts(&kernel(Some("table.json"))), by_rule);
    let (code, _, message) = kernel(Some("nowhere.json"));
    assert!(code == Some(1) && message.contains("nowhere.json"), "{message}");
    std::fs::write(folder.join("table.json"), "[]").unwrap();
    let (code, _, message) = kernel(Some("table.json"));
    assert!(code == Some(1) && message.contains("table of tiles"), "{message}");
}

#[test]
fn a_record_fits_its_schema_and_becomes_a_page() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    let look = ["bench", "--quick", "--points", "256", "--samples", "3", "-q", "-o"];
    // Somebody else who does not come changes nothing but a line.
    ok(folder, &[&look[..], &["now.json", "--csv", "now.csv", "--device", "cpu", "--peer", "./nobody"]].concat());
    // A software driver takes seconds to compile a kernel: some are enough.
    ok(folder, &[&look[..], &["gpu.json", "--device", "gpu", "peak", "frame"]].concat());
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let records = ["now.json", "gpu.json"].map(|name| serde_json::from_str::<serde_json::Value>(&read(name)).unwrap());
    let validator = schema();
    for record in &records {
        let complaints: Vec<String> =
            validator.iter_errors(record).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(complaints.is_empty(), "{complaints:?}");
        assert!(record["rows"].as_array().unwrap().iter().all(|r| r["verified"] == true), "{record}");
    }
    let [record, on_gpu] = records;
    let mut damaged = record.clone();
    damaged["rows"][0]["time"]["clock"] = "sundial".into();
    assert!(!validator.is_valid(&damaged));

    let absent = record["peers"].as_str().unwrap();
    assert!(absent.starts_with("none: './nobody' cannot be started"), "{absent}");
    let rows = record["rows"].as_array().unwrap();
    for suite in ["peak", "evaluate", "generate", "crossover", "family", "jets", "train-step", "trace", "frame"] {
        assert!(rows.iter().any(|r| r["suite"] == suite), "{suite}");
    }
    // On a GPU every row names its kernels.
    assert!(on_gpu["rows"].as_array().unwrap().iter().all(|r| !r["kernels"].as_array().unwrap().is_empty()));
    assert_eq!(read("now.csv").lines().count(), rows.len() + 1);
    println!("{} rows", rows.len());

    // Beside a record in which everything took half of the time all is slower; beside itself all is the same. How far the samples of a
    // busy machine lie apart must not decide that: both get intervals of a hundredth.
    for (name, factor) in [("now.json", 1.0), ("then.json", 0.5)] {
        let mut steady = record.clone();
        for row in steady["rows"].as_array_mut().unwrap() {
            let median = factor * row["time"]["median"].as_f64().unwrap();
            for (figure, part) in [("median", 1.0), ("mad", 0.01), ("low", 0.99), ("high", 1.01)] {
                row["time"][figure] = (part * median).into();
            }
        }
        std::fs::write(folder.join(name), steady.to_string()).unwrap();
    }
    let said = ok(folder, &["bench", "--read", "now.json", "--compare", "then.json"]);
    assert!(said.contains(&format!("0 faster, {} slower, 0 the same; 0 new, 0 gone", rows.len())), "{said}");
    let page =
        ["bench", "--read", "now.json", "--compare", "now.json", "--history", "then.json", "--html", "page.html"];
    assert!(ok(folder, &page).contains("0 faster, 0 slower"));
    let page = read("page.html");
    for part in ["Roofline of", "class=\"map\"", "GFLOP/s by width", "History", "prefers-color-scheme: dark"] {
        assert!(page.contains(part), "the page has no '{part}'");
    }
    for foreign in ["http:", "https:", "src=", "url(", "<script", "NaN"] {
        assert!(!page.contains(foreign), "the page has '{foreign}'");
    }
    assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    fails(folder, &["bench", "--read", "now.csv"], &["now.csv", "no record"]);
}

#[test]
fn crossover_fits_what_auto_picks_by() {
    let folder = tempfile::tempdir().unwrap();
    let costs = |report: &serde_json::Value| report["cpu"]["costs"].clone();
    assert!(costs(&json(folder.path(), &["devices"])).is_null());
    let arguments = ["bench", "crossover", "--device", "cpu", "--points", "1024", "--samples", "1"];
    let report = json(folder.path(), &arguments);
    let rows = report["rows"].as_array().unwrap();
    assert!(rows.len() > 30 && rows.iter().all(|r| r["verified"] == true), "{} rows", rows.len());
    // Some cells were kept from the fit to judge it by.
    assert!(rows.iter().any(|r| r["fitted"] == false));
    assert_eq!(costs(&json(folder.path(), &["devices"])), report["models"][0]["costs"]);
}
