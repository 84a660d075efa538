//! The section of docs/compare.md.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::PathBuf};

use time::OffsetDateTime;

use crate::{
    checks::Check,
    notes::{self, Kind},
    services::Layer,
};

const BEGIN: &str = "<!-- `make peers` writes what follows. -->";
const END: &str = "<!-- The end of what `make peers` writes. -->";

/// The columns; one layer represents each.
const COLUMNS: [Layer; 4] = [Layer::OursOnAxum, Layer::TowerSessions, Layer::AxumSession, Layer::ActixSession];

/// The libraries whose versions the page names.
const MEASURED: [&str; 8] = [
    "tower-sessions",
    "tower-sessions-redis-store",
    "axum-login",
    "axum_session",
    "axum_session_redispool",
    "actix-session",
    "actix-identity",
    "redis",
];

/// A cell of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Yes,
    Optional,
    No,
    NotItsPart,
}

impl Verdict {
    fn text(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::Optional => "optional",
            Self::No => "no",
            Self::NotItsPart => "–",
        }
    }

    /// Combines the results with the defaults and with the settings, and compares them with the note of the cell.
    ///
    /// # Errors
    /// If they contradict each other.
    pub fn new(default: Option<bool>, hardened: Option<bool>, note: Option<Kind>) -> Result<Self, String> {
        let holds = match (default, hardened) {
            (Some(true), _) | (None, Some(true)) => Self::Yes,
            (Some(false), Some(true)) => Self::Optional,
            _ => Self::No,
        };
        match (holds, note) {
            (Self::Yes, None) | (Self::Optional, Some(Kind::Optional)) | (Self::No, Some(Kind::No)) => Ok(holds),
            (Self::No, Some(Kind::NotItsPart)) => Ok(Self::NotItsPart),
            _ => Err(format!("{holds:?}, but its note is {note:?}")),
        }
    }
}

/// A row: the cells are in the order of [`Layer::ALL`].
pub struct Row {
    pub check: Check,
    pub cells: Vec<Verdict>,
}

impl Row {
    fn cell(&self, layer: Layer) -> Verdict {
        let at = Layer::ALL.iter().position(|of| *of == layer).expect("a layer");
        self.cells[at]
    }

    fn columns(&self) -> [Verdict; 4] {
        COLUMNS.map(|layer| self.cell(layer))
    }

    fn is_met_by_all(&self) -> bool {
        self.columns() == [Verdict::Yes; 4]
    }

    /// The observations; layers with the same note are listed together.
    fn observed(&self) -> String {
        let mut said: Vec<(&str, Vec<String>)> = Vec::new();
        for note in COLUMNS.iter().filter_map(|layer| notes::of(self.check.key, *layer)) {
            let name = short(note.layer);
            let name = if note.source.is_empty() { name.to_owned() } else { format!("[{name}][{}]", note.source) };
            match said.iter_mut().find(|(text, _)| *text == note.text) {
                Some((_, names)) => names.push(name),
                None => said.push((note.text, vec![name])),
            }
        }
        let said: Vec<_> = said.iter().map(|(text, names)| format!("{}: {text}", names.join(", "))).collect();
        said.join(". ")
    }
}

fn short(layer: Layer) -> &'static str {
    match layer {
        Layer::OursOnAxum | Layer::OursOnActix => "shared-session",
        Layer::TowerSessions => "tower-sessions",
        Layer::AxumSession => "axum_session",
        Layer::ActixSession => "actix-session",
    }
}

/// The text between the markers.
pub fn section(rows: &[Row], server: &str) -> String {
    let mut text = String::from(
        "| id | requirement | shared-session | tower-sessions, axum-login | axum_session | actix-session, actix-identity | \
         observed |\n|---|---|---|---|---|---|---|\n",
    );
    for row in rows.iter().filter(|row| !row.is_met_by_all()) {
        let cells: Vec<_> = row.columns().into_iter().map(Verdict::text).collect();
        let Check { id, text: requirement, .. } = row.check;
        _ = writeln!(text, "| {id} | {requirement} | {} | {} |", cells.join(" | "), row.observed());
    }
    let met: Vec<_> = rows.iter().filter(|row| row.is_met_by_all()).collect();
    _ = writeln!(text, "\n**Met by all four** ({} of {}):\n", met.len(), rows.len());
    for row in met {
        _ = writeln!(text, "- {}: {}", row.check.id, row.check.text);
    }
    text.push_str(
        "\n| | shared-session | tower-sessions, axum-login | axum_session | actix-session, actix-identity |\n",
    );
    text.push_str("|---|---|---|---|---|\n");
    for verdict in [Verdict::Yes, Verdict::Optional, Verdict::No, Verdict::NotItsPart] {
        let count = |column: usize| rows.iter().filter(|row| row.columns()[column] == verdict).count().to_string();
        _ = writeln!(text, "| {} | {} |", verdict.text(), (0..4).map(count).collect::<Vec<_>>().join(" | "));
    }
    let versions: Vec<_> = MEASURED.iter().map(|name| format!("{name} {}", versions_of(name))).collect();
    let now = OffsetDateTime::now_utc();
    _ = writeln!(text, "\n{STAMP} {} {}, {server}: {}.\n", now.month(), now.year(), versions.join(", "));
    let used: BTreeSet<_> = notes::NOTES.iter().map(|note| note.source).filter(|source| !source.is_empty()).collect();
    for source in used {
        _ = writeln!(text, "[{source}]: {}", notes::address(source).expect("a source"));
    }
    text
}

/// The beginning of the only line that changes from day to day.
const STAMP: &str = "Measured in";

fn versions_of(name: &str) -> String {
    let lock = include_str!("../Cargo.lock");
    let start = format!("name = \"{name}\"\nversion = \"");
    let versions = lock.split(&start).skip(1).filter_map(|rest| rest.split('"').next());
    versions.collect::<Vec<_>>().join(" and ")
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/compare.md")
}

/// The old page, and the page with this section in its place.
fn page(section: &str) -> (String, String) {
    let page = fs::read_to_string(path()).expect("docs/compare.md");
    let (before, rest) = page.split_once(BEGIN).expect("the marker of the beginning");
    let (_, after) = rest.split_once(END).expect("the marker of the end");
    let new = format!("{before}{BEGIN}\n\n{section}\n{END}{after}");
    (page, new)
}

pub fn write(section: &str) {
    let (_, new) = page(section);
    fs::write(path(), new).expect("docs/compare.md can be written");
}

/// Whether the page has these results, ignoring the date.
pub fn is_true(section: &str) -> bool {
    let (old, new) = page(section);
    let lasting =
        |text: &str| text.lines().filter(|line| !line.starts_with(STAMP)).map(str::to_owned).collect::<Vec<_>>();
    lasting(&old) == lasting(&new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks;

    #[test]
    fn the_page_has_the_checks_and_the_notes_of_this_program() {
        let cell = |check: &Check, layer: Layer| {
            let noted = if layer.is_ours() { Layer::OursOnAxum } else { layer };
            match notes::of(check.key, noted).map(|note| note.kind) {
                None => Verdict::Yes,
                Some(Kind::Optional) => Verdict::Optional,
                Some(Kind::No) => Verdict::No,
                Some(Kind::NotItsPart) => Verdict::NotItsPart,
            }
        };
        let row = |check: Check| Row { cells: Layer::ALL.map(|layer| cell(&check, layer)).to_vec(), check };
        let rows: Vec<_> = checks::all().into_iter().map(row).collect();
        assert!(
            is_true(&section(&rows, "")),
            "docs/compare.md is older than the checks or the notes: run `make peers`"
        );
    }

    #[test]
    fn a_verdict_needs_its_note() {
        let of = |default, hardened, note| Verdict::new(default, hardened, note).ok();
        assert_eq!(of(Some(true), None, None), Some(Verdict::Yes));
        assert_eq!(of(None, Some(true), None), Some(Verdict::Yes));
        assert_eq!(of(Some(false), Some(true), Some(Kind::Optional)), Some(Verdict::Optional));
        assert_eq!(of(Some(false), Some(false), Some(Kind::No)), Some(Verdict::No));
        assert_eq!(of(None, Some(false), Some(Kind::No)), Some(Verdict::No));
        assert_eq!(of(Some(false), Some(false), Some(Kind::NotItsPart)), Some(Verdict::NotItsPart));
        for (default, hardened, note) in [
            (true, true, Some(Kind::No)),
            (false, false, None),
            (false, true, Some(Kind::No)),
            (false, false, Some(Kind::Optional)),
        ] {
            assert_eq!(of(Some(default), Some(hardened), note), None, "{default} {hardened} {note:?}");
        }
    }
}
