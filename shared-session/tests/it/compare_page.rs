//! Checks `docs/compare.md`: each row of a table with the column `source` links to one.

use std::{fs, path::Path};

#[test]
fn every_statement_of_the_comparison_has_a_source() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/compare.md")).unwrap();
    let (mut tables, mut findings) = (0, Vec::new());
    let mut has_sources = false;
    for line in page.lines() {
        if !line.starts_with('|') {
            has_sources = false;
        } else if last_cell(line) == "source" {
            has_sources = true;
            tables += 1;
        } else if has_sources && !line.starts_with("|---") && !last_cell(line).contains("](http") {
            findings.push(line);
        }
    }
    assert!(tables >= 13, "only {tables} tables have the column `source`");
    assert!(findings.is_empty(), "{} rows without a source:\n{}", findings.len(), findings.join("\n"));
}

#[test]
fn the_last_cell_of_a_row_is_its_source() {
    assert_eq!(last_cell("| a | b | [c](https://d) |"), "[c](https://d)");
    assert_eq!(last_cell("| a | b | |"), "");
    assert_eq!(last_cell("| | | source |"), "source");
}

fn last_cell(row: &str) -> &str {
    let row = row.trim_end();
    row.strip_suffix('|').unwrap_or(row).rsplit('|').next().unwrap_or_default().trim()
}
