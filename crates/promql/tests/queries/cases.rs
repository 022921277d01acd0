//! Runs the scripts of `cases/`; and of another directory, such as Prometheus' own scripts, if
//! `PROMQLTEST_DIR` names one.

use std::path::Path;

use crate::scripts::run::{Outcome, run};
use promql::{Compat, Feature, Options};

fn run_directory(directory: &Path, options: &Options, compares_messages: bool) -> Outcome {
    let mut total = Outcome::default();
    let entries = std::fs::read_dir(directory).expect("the directory can be read");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry can be read").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "test"));
    paths.sort();
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("a script can be read");
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let outcome = run(&text, options, compares_messages);
        println!("{name}: {}", outcome.summary());
        total.passed += outcome.passed;
        total.skipped += outcome.skipped;
        total.refused += outcome.refused;
        total.failed.extend(outcome.failed.iter().map(|failure| format!("{name} {failure}")));
    }
    total.failed.iter().for_each(|failure| println!("FAIL {failure}"));
    println!("{}", total.summary());
    total
}

#[test]
fn own_scripts_pass() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    for (name, options) in [
        ("v3", Options::default()),
        ("v2", Options { compat: Compat::V2, ..Options::default() }),
        ("delayed", Options { delayed_name_removal: true, ..Options::default() }),
        ("features", Options { features: Feature::ALL.into_iter().collect(), ..Options::default() }),
    ] {
        let outcome = run_directory(&directory.join(name), &options, true);
        assert!(outcome.failed.is_empty() && outcome.passed > 0, "scripts of {name} fail");
        assert_eq!((outcome.skipped, outcome.refused), (0, 0), "scripts of {name} are all run");
    }
}

/// `PROMQLTEST_DIR=… PROMQLTEST_COMPAT=2 cargo test -p promql --test queries -- --nocapture`: at least 98 % pass.
#[test]
fn scripts_of_prometheus_pass() {
    let Some(directory) = std::env::var_os("PROMQLTEST_DIR") else { return };
    let is_v2 = std::env::var("PROMQLTEST_COMPAT").is_ok_and(|version| version == "2");
    let options = match is_v2 {
        true => Options { compat: Compat::V2, ..Options::default() },
        false => Options {
            delayed_name_removal: true,
            features: Feature::ALL.into_iter().collect(),
            ..Options::default()
        },
    };
    let outcome = run_directory(Path::new(&directory), &options, false);
    let share = outcome.passed as f64 / (outcome.passed + outcome.failed.len()) as f64;
    assert!(share >= 0.98, "{:.1} % pass", 100.0 * share);
}
