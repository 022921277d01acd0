//! The rules that a configuration names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use alert::rules::{GroupSpec, RuleFile};
use promql::Options;

use super::{DEFAULT_RULES as DEFAULT_TEXT, files, load};
use crate::config::{ConfigErrors, DEFAULT_RULES};

/// Name of the file with the rules that come with this program.
pub(crate) const DEFAULT_FILE: &str = "built-in/heartline.yml";

/// Most groups of rules.
const GROUPS_MAX: usize = 1000;

/// Groups with the files that they are from, in the order of the patterns and of names.
pub(crate) type Groups = Vec<(String, GroupSpec)>;

/// Reads and judges all rule files of a configuration, whose expressions are understood by these options. A pattern
/// that nothing matches is logged.
///
/// # Errors
/// All that is wrong with any of them.
pub(crate) fn configured(patterns: &[PathBuf], options: &Options) -> Result<Groups, String> {
    let (mut groups, mut wrong, mut seen) = (Groups::new(), Vec::new(), BTreeSet::new());
    for pattern in patterns {
        let read = if pattern == Path::new(DEFAULT_RULES) {
            Ok(vec![(DEFAULT_FILE.to_owned(), built_in())])
        } else {
            matching(pattern, options)
        };
        match read {
            Ok(files) => {
                let new = files.into_iter().filter(|(name, _)| seen.insert(name.clone()));
                let named = new
                    .flat_map(|(name, file)| file.groups.into_iter().map(move |group| (name.clone(), group)));
                groups.extend(named);
            }
            Err(error) => wrong.push(error),
        }
    }
    if groups.len() > GROUPS_MAX {
        wrong.push(format!("`rules` has {} groups; at most {GROUPS_MAX} are evaluated", groups.len()));
    }
    if wrong.is_empty() { Ok(groups) } else { Err(wrong.join("\n\n")) }
}

fn built_in() -> RuleFile {
    alert::rules::parse(DEFAULT_TEXT, &Options::default())
        .expect("the rules that come with this program are tested")
}

fn matching(pattern: &Path, options: &Options) -> Result<Vec<(String, RuleFile)>, String> {
    let shown = pattern.display();
    let has_wildcard = |path: &Path| path.to_string_lossy().contains(['*', '?']);
    if pattern.parent().is_some_and(has_wildcard) {
        return Err(format!("`rules`: {shown}: `*` and `?` may stand in the last part of a path alone"));
    }
    let found = files::matching(pattern);
    if found.is_empty() && has_wildcard(pattern) {
        tracing::warn!(pattern = %shown, "no rule file matches");
    } else if found.is_empty() {
        return Err(format!("`rules`: {shown}: there is no such file"));
    }
    let (mut read, mut wrong) = (Vec::new(), Vec::new());
    for path in found {
        match load(&path, options) {
            Ok(file) => read.push((path.display().to_string(), file)),
            Err(errors) => wrong.push(ConfigErrors::to_string(&errors)),
        }
    }
    if wrong.is_empty() { Ok(read) } else { Err(wrong.join("\n\n")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(patterns: &[&str], expected: Result<&[&str], &str>) {
        let folder = tempfile::tempdir().expect("a folder");
        let rules = |name: &str| format!("groups: [{{name: {name}, rules: [{{record: r, expr: '1'}}]}}]");
        for (name, text) in [("b.yml", rules("b")), ("a.yml", rules("a")), ("bad.yaml", rules("''"))] {
            std::fs::write(folder.path().join(name), text).expect("is written");
        }
        let in_folder = |pattern: &&str| match *pattern {
            DEFAULT_RULES => PathBuf::from(DEFAULT_RULES),
            pattern => folder.path().join(pattern),
        };
        let patterns: Vec<PathBuf> = patterns.iter().map(in_folder).collect();
        match (configured(&patterns, &Options::default()), expected) {
            (Ok(groups), Ok(expected)) => {
                let names: Vec<&str> = groups.iter().map(|(_, group)| group.name.as_str()).collect();
                assert_eq!(names, expected);
            }
            (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
            (read, expected) => panic!("{read:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn patterns_name_files() {
        check(&[], Ok(&[]));
        check(&["*.yml"], Ok(&["a", "b"]));
        check(&["b.yml", "?.yml"], Ok(&["b", "a"]));
        check(&["none*"], Ok(&[]));
        check(&["none.yml"], Err("none.yml: there is no such file"));
        check(&["*/a.yml"], Err("last part"));
        check(&["a.yml", "*.yaml"], Err("bad.yaml:1:"));
    }

    #[test]
    fn the_rules_that_come_with_this_program_are_good() {
        let groups = configured(&[PathBuf::from(DEFAULT_RULES)], &Options::default()).expect("they are");
        assert!(groups.iter().all(|(file, _)| file == DEFAULT_FILE));
        assert!(groups.iter().flat_map(|(_, group)| &group.rules).any(|rule| rule.name() == "Watchdog"));
    }
}
