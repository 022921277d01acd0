//! Files whose names match a pattern.

use std::path::{Path, PathBuf};

/// Existing files of a path whose last part may have `*` and `?`; sorted.
pub(crate) fn matching(pattern: &Path) -> Vec<PathBuf> {
    let (Some(folder), Some(name)) = (pattern.parent(), pattern.file_name().and_then(|name| name.to_str()))
    else {
        return Vec::new();
    };
    if !name.contains(['*', '?']) {
        return if pattern.exists() { vec![pattern.to_owned()] } else { Vec::new() };
    }
    let folder_read = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = std::fs::read_dir(folder_read).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut found: Vec<PathBuf> = names
        .filter(|found| is_match(name.as_bytes(), found.as_bytes()))
        .map(|found| folder.join(found))
        .collect();
    found.sort();
    found
}

/// `*` stands for any text, `?` for one byte.
fn is_match(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', behind)), rest) => {
            is_match(behind, text) || rest.is_some_and(|(_, rest)| is_match(pattern, rest))
        }
        (Some((wanted, behind)), Some((found, rest))) => {
            (*wanted == b'?' || wanted == found) && is_match(behind, rest)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_names() {
        let check = |pattern: &str, text: &str, expected: bool| {
            assert_eq!(is_match(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        };
        check("a.yml", "a.yml", true);
        check("*.yml", "a.yml", true);
        check("*.yml", "a.yaml", false);
        check("a*b*c", "aXbYbc", true);
        check("?.yml", "ab.yml", false);
        check("*", "", true);
    }
}
