//! Puts the dashboard into `$OUT_DIR/dist`, where it is embedded from. The first that applies:
//!
//! 1. `HEARTLINE_UI=prebuilt:DIR`: a copy of DIR;
//! 2. nothing, when what was built last came from the same sources;
//! 3. a build with npm, unless `HEARTLINE_UI=skip`;
//! 4. a plain page that says what is missing, and a warning; with the feature `require-ui`, an error.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

const SOURCES: [&str; 8] = [
    "ui/src",
    "ui/public",
    "ui/build",
    "ui/index.html",
    "ui/package.json",
    "ui/package-lock.json",
    "ui/vite.config.ts",
    "ui/tsconfig.json",
];
const OLDEST_NODE: (u32, u32) = (20, 19);

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=plain");
    // A new page is embedded when the crate is compiled again.
    println!("cargo::rerun-if-changed=../../docs/runbooks");
    println!("cargo::rerun-if-env-changed=HEARTLINE_UI");
    for source in SOURCES.iter().filter(|source| Path::new(source).exists()) {
        println!("cargo::rerun-if-changed={source}");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let (dist, stamp) = (out.join("dist"), out.join("dist.stamp"));
    let wish = env::var("HEARTLINE_UI").unwrap_or_default();
    if let Some(prebuilt) = wish.strip_prefix("prebuilt:") {
        println!("cargo::rerun-if-changed={prebuilt}");
        replace(Path::new(prebuilt), &dist, &stamp);
        assert!(dist.join("index.html").is_file(), "HEARTLINE_UI: {prebuilt} has no index.html");
        return;
    }
    assert!(matches!(&*wish, "" | "skip"), "HEARTLINE_UI must be `skip` or `prebuilt:DIR`, not `{wish}`");

    let sources = hash_of_sources().to_string();
    if fs::read_to_string(&stamp).is_ok_and(|built| built == sources) {
        return;
    }
    match if wish == "skip" { Err("HEARTLINE_UI=skip".to_owned()) } else { npm_build(&dist) } {
        Ok(()) => fs::write(&stamp, sources).expect("OUT_DIR can be written"),
        Err(why) => {
            let remedy = "install Node.js 20.19 or newer with npm, or set HEARTLINE_UI=prebuilt:DIR";
            let required = env::var_os("CARGO_FEATURE_REQUIRE_UI").is_some();
            assert!(!required, "the dashboard cannot be built ({why}); {remedy}");
            println!("cargo::warning=dashboard not embedded ({why}); {remedy}");
            replace(Path::new("plain"), &dist, &stamp);
        }
    }
}

fn npm_build(dist: &Path) -> Result<(), String> {
    let node = run(Command::new("node").arg("--version"))?;
    let mut parts = node.trim().trim_start_matches('v').split('.').map(|part| part.parse().unwrap_or(0));
    if (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) < OLDEST_NODE {
        return Err(format!("Node.js {} is too old", node.trim()));
    }
    if !is_installed() {
        run(npm().args([
            "ci",
            "--ignore-scripts",
            "--prefer-offline",
            "--include=dev",
            "--no-audit",
            "--no-fund",
        ]))?;
    }
    run(npm().args(["run", "build", "--", "--outDir"]).arg(dist)).map(drop)
}

fn npm() -> Command {
    let mut npm = Command::new("npm");
    npm.current_dir("ui");
    npm
}

/// npm writes its own copy of the lockfile last of all.
fn is_installed() -> bool {
    let changed = |path: &str| fs::metadata(path).and_then(|metadata| metadata.modified());
    match (changed("ui/node_modules/.package-lock.json"), changed("ui/package-lock.json")) {
        (Ok(installed), Ok(locked)) => installed >= locked,
        _ => false,
    }
}

fn run(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{name} does not run: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let last = errors.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no message");
    Err(format!("{name} failed with {}: {}", output.status, last.trim()))
}

fn hash_of_sources() -> u64 {
    let mut files = Vec::new();
    for source in SOURCES {
        list(Path::new(source), &mut files).expect("the sources can be read");
    }
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        fs::read(&file).expect("the sources can be read").hash(&mut hasher);
        file.hash(&mut hasher);
    }
    hasher.finish()
}

fn list(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_file() {
        files.push(path.to_owned());
    } else if path.is_dir() {
        for entry in fs::read_dir(path)? {
            list(&entry?.path(), files)?;
        }
    }
    Ok(())
}

/// Makes `dist` a copy of `from`, built from no known sources.
fn replace(from: &Path, dist: &Path, stamp: &Path) {
    let _ = fs::remove_file(stamp);
    let _ = fs::remove_dir_all(dist);
    let mut files = Vec::new();
    list(from, &mut files).expect("the files can be listed");
    for file in files {
        let to = dist.join(file.strip_prefix(from).expect("listed under it"));
        fs::create_dir_all(to.parent().expect("under dist")).expect("OUT_DIR can be written");
        fs::copy(&file, &to).expect("OUT_DIR can be written");
    }
}
