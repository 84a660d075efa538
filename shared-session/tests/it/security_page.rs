//! Checks `docs/security.md` against the tests: each requirement has a row, and the tests named in a row exist.

use std::{collections::BTreeSet, fs, path::Path};

/// Each group of requirements with the number of its last one.
const GROUPS: [(char, u8); 6] = [('C', 9), ('P', 10), ('I', 12), ('L', 10), ('K', 4), ('X', 6)];

#[test]
fn every_requirement_has_a_row_and_every_row_a_test_that_exists() {
    let page = fs::read_to_string(repository().join("docs/security.md")).unwrap();
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ") && line.contains("` |")).collect();
    let mut findings = Vec::new();

    let ids: Vec<String> = rows.iter().filter_map(|row| id(row)).collect();
    for (group, last) in GROUPS {
        for expected in (1..=last).map(|number| format!("{group}{number}")) {
            if ids.iter().filter(|id| **id == expected).count() != 1 {
                findings.push(format!("{expected} needs exactly one row"));
            }
        }
    }

    let known = tests_of_the_repository();
    for row in &rows {
        let named: Vec<&str> = tests_of(row).collect();
        if named.is_empty() {
            findings.push(format!("no test in: {row}"));
        }
        for name in named.iter().filter(|name| !known.contains(**name)) {
            findings.push(format!("`{name}` is no test"));
        }
    }
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}

#[test]
fn a_row_is_read_as_its_requirement_and_its_tests() {
    let row = "| X4 | takes JSON | 415 at `api` | `one_test` `another_test` |";
    assert_eq!(id(row).as_deref(), Some("X4"));
    assert_eq!(tests_of(row).collect::<Vec<_>>(), ["one_test", "another_test"]);
    assert_eq!(id("| A sentence | 503 | `one_test` |"), None);
}

/// The requirement of a row, unless the row begins with a sentence.
fn id(row: &str) -> Option<String> {
    let first = row.split('|').nth(1)?.trim();
    let number = first.strip_prefix(|letter: char| GROUPS.iter().any(|(group, _)| *group == letter))?;
    number.parse::<u8>().ok().map(|_| first.to_owned())
}

/// The tests in the last column of a row.
fn tests_of(row: &str) -> impl Iterator<Item = &str> {
    row.trim_end_matches([' ', '|']).rsplit('|').next().unwrap_or_default().split('`').skip(1).step_by(2)
}

/// The names of all functions in the repository's integration and unit tests.
fn tests_of_the_repository() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for folder in ["shared-session", "shared-session-axum", "shared-session-actix", "tests", "examples"] {
        collect(&repository().join(folder), &mut names);
    }
    names
}

fn collect(path: &Path, names: &mut BTreeSet<String>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            collect(&entry.unwrap().path(), names);
        }
    } else if path.extension().is_some_and(|extension| extension == "rs") {
        for line in fs::read_to_string(path).unwrap().lines() {
            if let Some((_, rest)) = line.split_once("fn ") {
                names.extend(rest.split(['(', '<']).next().map(str::to_owned));
            }
        }
    }
}

fn repository() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
