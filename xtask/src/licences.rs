//! `crates/web/licences.txt`: the licences of what is in the binary, of crates and of the dashboard's packages, as `cargo tree` and
//! npm's lockfile name them, with the texts that they bring along.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use serde_json::Value;

use crate::root;

const FILE: &str = "crates/web/licences.txt";
const UI: &str = "crates/web/ui";
/// What is built; as in `deny.toml`.
const TARGETS: [&str; 4] = [
    "x86_64-unknown-linux-gnu",
    "x86_64-unknown-linux-musl",
    "aarch64-unknown-linux-gnu",
    "aarch64-unknown-linux-musl",
];
/// What the name of a file with a licence begins with, in capitals.
const NAMES: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE"];
const HEAD: &str = "\
Third-party software in this program, and its licences. Written by `cargo xtask licences`.

Crates of Rust are named as on crates.io, the dashboard's packages as on npm. Behind the licence stand the numbers of the
texts below that the package brings along. SQLite, which is built into rusqlite's libsqlite3-sys, is in the public domain, as are
the shapes of Natural Earth in world-atlas.
";

/// A package, as the list names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Package {
    name: String,
    version: String,
    is_npm: bool,
}

/// What is known of it.
struct Known {
    licence: String,
    authors: String,
    directory: PathBuf,
}

/// Writes the file anew.
pub fn run() -> ExitCode {
    match render() {
        Ok(text) => {
            std::fs::write(root().join(FILE), text).expect("the file can be written");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// What the file names otherwise than it is shipped; nothing where that cannot be asked.
pub fn problems() -> Vec<String> {
    let shipped = match crates().and_then(|mut crates| {
        Ok({
            crates.extend(npm()?);
            crates
        })
    }) {
        Ok(shipped) => shipped,
        Err(why) => return vec![format!("{FILE}: {why}")],
    };
    let written = std::fs::read_to_string(root().join(FILE)).unwrap_or_default();
    difference(&shipped, &named(&written))
}

fn difference(shipped: &BTreeSet<Package>, named: &BTreeSet<Package>) -> Vec<String> {
    let tell = |what: &'static str| {
        move |Package { name, version, .. }: &Package| {
            format!("{FILE}: {name} {version} {what}: cargo xtask licences")
        }
    };
    let missing = shipped.difference(named).map(tell("is missing"));
    missing.chain(named.difference(shipped).map(tell("is not shipped"))).collect()
}

/// The packages that the file lists.
fn named(text: &str) -> BTreeSet<Package> {
    let entries = text.lines().take_while(|line| !line.starts_with("=== "));
    let package = |line: &str| {
        let mut words = line.split(' ');
        let is_npm = match words.next()? {
            "crate" => false,
            "npm" => true,
            _ => return None,
        };
        Some(Package { name: words.next()?.to_owned(), version: words.next()?.to_owned(), is_npm })
    };
    entries.filter_map(package).collect()
}

/// Crates that are linked in: neither what builds nor what tests, nor macros.
fn crates() -> Result<BTreeSet<Package>, String> {
    let mut arguments = vec!["tree", "--locked", "-p", "heartline", "-e", "normal,no-proc-macro"];
    arguments.extend(["--prefix", "none", "-f", "{p}"]);
    arguments.extend(TARGETS.iter().flat_map(|target| ["--target", target]));
    let tree = output("cargo", &arguments)?;
    // `name v1.2.3`, and behind that `(path)` of those that are our own, or `(*)` of those that were named before.
    let package = |line: &str| {
        let (name, rest) = line.split_once(" v")?;
        let (version, more) = rest.split_once(' ').unwrap_or((rest, ""));
        let is_own = more.starts_with('(') && !more.starts_with("(*)");
        (!is_own).then(|| Package { name: name.to_owned(), version: version.to_owned(), is_npm: false })
    };
    Ok(tree.lines().filter_map(package).collect())
}

/// The dashboard's packages that are no tools for its making.
fn npm() -> Result<BTreeSet<Package>, String> {
    let path = root().join(UI).join("package-lock.json");
    let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
    let lock: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let packages = lock["packages"].as_object().ok_or("package-lock.json has no packages")?;
    let shipped = packages.iter().filter_map(|(place, package)| {
        let (_, name) = place.rsplit_once("node_modules/")?;
        let is_tool = ["dev", "devOptional", "optional", "peer"].iter().any(|key| package[key] == true);
        let version = package["version"].as_str()?.to_owned();
        (!is_tool).then(|| Package { name: name.to_owned(), version, is_npm: true })
    });
    Ok(shipped.collect())
}

fn render() -> Result<String, String> {
    let mut packages = crates()?;
    packages.extend(npm()?);
    let known_crates = known_crates()?;
    let mut texts: Vec<String> = Vec::new();
    let mut number_of: BTreeMap<String, usize> = BTreeMap::new();
    let mut list = String::new();
    for package in &packages {
        let Package { name, version, is_npm } = package;
        let of_npm;
        let known = if *is_npm {
            of_npm = known_npm(name)?;
            &of_npm
        } else {
            known_crates
                .get(&(name.clone(), version.clone()))
                .ok_or(format!("{name} {version} is not known"))?
        };
        let mut found = texts_in(&known.directory)?;
        if found.is_empty() {
            found.push(format!(
                "{name} brings no text of its licence along. Its manifest says: {}; authors: {}.\n",
                known.licence, known.authors
            ));
        }
        let numbers: BTreeSet<usize> = found
            .into_iter()
            .map(|text| {
                *number_of.entry(text.split_whitespace().collect::<Vec<_>>().join(" ")).or_insert_with(|| {
                    texts.push(text);
                    texts.len()
                })
            })
            .collect();
        let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
        let kind = if *is_npm { "npm" } else { "crate" };
        let _ = writeln!(list, "{kind} {name} {version} | {} | {}", known.licence, numbers.join(", "));
    }
    let mut file = format!("{HEAD}\n{list}");
    for (index, text) in texts.iter().enumerate() {
        let _ = write!(file, "\n=== {} ===\n\n{}\n", index + 1, text.trim_matches(['\n', '\r']));
    }
    Ok(file)
}

fn known_crates() -> Result<BTreeMap<(String, String), Known>, String> {
    let metadata = output("cargo", &["metadata", "--locked", "--format-version", "1"])?;
    let metadata: Value = serde_json::from_str(&metadata).map_err(|error| error.to_string())?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let packages = metadata["packages"].as_array().ok_or("cargo metadata names no packages")?;
    let known = packages.iter().map(|package| {
        let manifest = PathBuf::from(text(&package["manifest_path"]));
        let directory = manifest.parent().map(Path::to_owned).unwrap_or_default();
        let authors =
            package["authors"].as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(", ");
        let known = Known { licence: text(&package["license"]), authors, directory };
        ((text(&package["name"]), text(&package["version"])), known)
    });
    Ok(known.collect())
}

fn known_npm(name: &str) -> Result<Known, String> {
    let directory = root().join(UI).join("node_modules").join(name);
    let manifest = std::fs::read_to_string(directory.join("package.json"))
        .map_err(|error| format!("{name}: {error}; run `npm ci` in {UI} first"))?;
    let manifest: Value = serde_json::from_str(&manifest).map_err(|error| error.to_string())?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let author = manifest["author"]["name"].as_str().or(manifest["author"].as_str()).unwrap_or_default();
    Ok(Known { licence: text(&manifest["license"]), authors: author.to_owned(), directory })
}

fn texts_in(directory: &Path) -> Result<Vec<String>, String> {
    let entries =
        std::fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        path.is_file() && NAMES.iter().any(|start| name.starts_with(start))
    });
    paths.sort();
    let read = |path: &PathBuf| std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    paths.iter().map(read).collect::<Result<_, _>>().map_err(|error| error.to_string())
}

fn output(program: &str, arguments: &[&str]) -> Result<String, String> {
    let done = Command::new(program).args(arguments).current_dir(root()).output();
    let done = done.map_err(|error| format!("{program} does not run: {error}"))?;
    if !done.status.success() {
        return Err(format!(
            "{program} {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&done.stderr).trim()
        ));
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_and_what_is_gone_is_told() {
        let file =
            "words\n\ncrate old 1.0.0 | MIT | 1\nnpm same 2.0.0 | MIT | 1\n\n=== 1 ===\n\ncrate text 1.0.0\n";
        let package = |name: &str, version: &str, is_npm| Package {
            name: name.to_owned(),
            version: version.to_owned(),
            is_npm,
        };
        let named = named(file);
        assert_eq!(named, [package("old", "1.0.0", false), package("same", "2.0.0", true)].into());
        let shipped = [package("old", "1.0.1", false), package("same", "2.0.0", true)].into();
        let told = difference(&shipped, &named);
        assert_eq!(told.len(), 2);
        assert!(
            told[0].contains("old 1.0.1 is missing") && told[1].contains("old 1.0.0 is not shipped"),
            "{told:?}"
        );
    }
}
