//! The catalogue of causes as pages under `docs/findings/`; `UPDATE=1 cargo test -p diagnose --test pages` writes them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use diagnose::cause::{Cause, Signs};
use diagnose::{causes, text};
use model::Language;

const HINT: &str = "run `UPDATE=1 cargo test -p diagnose --test pages`";

#[test]
fn pages_are_up_to_date() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/findings");
    let expected = pages();
    if std::env::var_os("UPDATE").is_some() {
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).expect("a directory");
        for (name, page) in &expected {
            fs::write(directory.join(name), page).expect("a page");
        }
    }
    let entries = fs::read_dir(&directory).unwrap_or_else(|_| panic!("no docs/findings: {HINT}"));
    let found: BTreeMap<String, String> =
        entries.map(|entry| read(&entry.expect("an entry").path())).collect();
    for name in found.keys().chain(expected.keys()) {
        assert!(found.get(name) == expected.get(name), "docs/findings/{name}: {HINT}");
    }
}

fn read(path: &PathBuf) -> (String, String) {
    let name = path.file_name().expect("a file").to_string_lossy().into_owned();
    (name, fs::read_to_string(path).expect("text"))
}

/// All pages by their file's name, and a list in each language.
fn pages() -> BTreeMap<String, String> {
    let mut pages = BTreeMap::new();
    for (language, ending) in [(Language::English, "md"), (Language::Chinese, "zh-CN.md")] {
        for cause in causes::ALL {
            pages.insert(format!("{}.{ending}", cause.id), text::manual(cause, language));
        }
        pages.insert(format!("README.{ending}"), list(language, ending));
    }
    pages
}

fn list(language: Language, ending: &str) -> String {
    let (title, head) = match language {
        Language::English => ("Causes that Heartline knows", "| number | name | cause | seen by |"),
        Language::Chinese => ("Heartline 能识别的原因", "| 编号 | 名称 | 原因 | 由谁发现 |"),
    };
    let mut list = format!("# {title}\n\n{head}\n|---|---|---|---|\n");
    let mut causes = causes::ALL.to_vec();
    causes.sort_by_key(|cause| cause.number);
    for cause in causes {
        let (code, id, title) = (cause.code(), cause.id, cause.manual.title.of(language));
        let _ = writeln!(list, "| {code} | [{id}]({id}.{ending}) | {title} | {} |", seen_by(cause, language));
    }
    list
}

fn seen_by(cause: &Cause, language: Language) -> String {
    let words = match language {
        Language::English => {
            ["a probe", "one connection", "many connections", "nobody here", "the gateway of itself"]
        }
        Language::Chinese => ["探测", "单个连接", "大量连接", "无法在此观察", "网关自身"],
    };
    if let Signs::Gateway(_) = &cause.signs {
        return words[4].to_owned();
    }
    let Signs::Seen { probe, connection, population } = &cause.signs else { return words[3].to_owned() };
    let sees = [probe.is_some(), connection.is_some(), population.is_some()];
    let seen: Vec<_> = sees.iter().zip(words).filter(|(sees, _)| **sees).map(|(_, word)| word).collect();
    seen.join(", ")
}
