//! The budget of each cell.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::PathBuf};

/// The average cost of one request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    pub(crate) instructions: u64,
    pub(crate) allocations: f64,
    pub(crate) bytes: f64,
}

impl Cost {
    /// Parses `allocations bytes`, the output of a cell's process.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let (allocations, bytes) = text.trim().split_once(' ')?;
        Some(Self { instructions: 0, allocations: allocations.parse().ok()?, bytes: bytes.parse().ok()? })
    }

    /// Whether the cost exceeds the budget by more than 3 %. A tenth of an allocation is noise.
    pub(crate) fn is_over(&self, allowed: &Self) -> bool {
        self.instructions * 100 > allowed.instructions * 103 || self.allocations > allowed.allocations * 1.03 + 0.1
    }
}

/// One line for each cell: its name, instructions, allocations.
pub(crate) struct Budget(BTreeMap<String, Cost>);

impl Budget {
    fn path() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("cost/budget.txt")
    }

    pub(crate) fn read() -> Self {
        let text = fs::read_to_string(Self::path()).unwrap_or_default();
        let line = |line: &str| {
            let mut words = line.rsplitn(3, ' ');
            let (allocations, instructions) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            Some((words.next()?.to_owned(), Cost { instructions, allocations, bytes: 0.0 }))
        };
        Self(text.lines().filter_map(line).collect())
    }

    pub(crate) fn of(&self, name: &str) -> Option<Cost> {
        self.0.get(name).copied()
    }

    pub(crate) fn set(&mut self, name: String, cost: Cost) {
        self.0.insert(name, cost);
    }

    pub(crate) fn write(&self) {
        let text = self.0.iter().fold(String::new(), |mut text, (name, cost)| {
            _ = writeln!(text, "{name} {} {:.1}", cost.instructions, cost.allocations);
            text
        });
        fs::write(Self::path(), text).unwrap();
    }
}
