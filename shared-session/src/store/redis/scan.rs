//! The position of a scan, as text: `cursor`, and in a cluster `cursor@slot@host:port`.

use super::wire::address::Address;

/// The position of a scan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    cursor: u64,
    /// In a cluster: the lowest slot of the primary that is being scanned, and its address.
    node: Option<(u16, String)>,
}

impl Position {
    pub(super) fn read(text: &str) -> Option<Self> {
        match text.split_once('@') {
            None => Some(Self { cursor: text.parse().ok()?, node: None }),
            Some((cursor, node)) => {
                let (slot, name) = node.split_once('@')?;
                Some(Self { cursor: cursor.parse().ok()?, node: Some((slot.parse().ok()?, name.to_owned())) })
            }
        }
    }

    pub(super) fn write(&self) -> String {
        match &self.node {
            None => self.cursor.to_string(),
            Some((slot, name)) => format!("{}@{slot}@{name}", self.cursor),
        }
    }

    /// The one of `primaries`, sorted by their lowest slots, to scan next, and the cursor. It is the one that was being
    /// scanned or, if that is no longer a primary, its successor from the start, because a cursor is valid on one
    /// server only. `None` if the position is not from a cluster.
    pub(super) fn within<'a>(&self, primaries: &'a [(u16, Address)]) -> Option<(&'a Address, u64)> {
        let Some((slot, name)) = &self.node else {
            return (self.cursor == 0).then_some((&primaries.first()?.1, 0));
        };
        if let Some((_, same)) = primaries.iter().find(|(_, address)| name_of(address) == *name) {
            return Some((same, self.cursor));
        }
        let (_, heir) = primaries.iter().rev().find(|(lowest, _)| lowest <= slot).or(primaries.first())?;
        Some((heir, 0))
    }

    /// The position after the server at `asked` returned `cursor`; `None` at the end.
    pub(super) fn after(cursor: u64, asked: &Address, primaries: &[(u16, Address)]) -> Option<Self> {
        let at = primaries.iter().position(|(_, address)| address == asked)?;
        let next = if cursor == 0 { at + 1 } else { at };
        let (slot, address) = primaries.get(next)?;
        Some(Self { cursor, node: Some((*slot, name_of(address))) })
    }

    /// The same for the only server.
    pub(super) fn after_only(cursor: u64) -> Option<Self> {
        (cursor != 0).then_some(Self { cursor, node: None })
    }

    /// The cursor for the only server.
    pub(super) fn only(&self) -> Option<u64> {
        self.node.is_none().then_some(self.cursor)
    }
}

fn name_of(address: &Address) -> String {
    match address {
        Address::Tcp(host, port) => format!("{host}:{port}"),
        Address::Unix(path) => path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> Address {
        Address::Tcp("::1".into(), port)
    }

    #[test]
    fn positions_are_text_and_back() {
        for text in ["0", "18446744073709551615", "7@5461@::1:7001"] {
            assert_eq!(Position::read(text).unwrap().write(), text);
        }
        for text in ["", "x", "-1", "1@2", "1@x@h:1", "@1@h:1"] {
            assert_eq!(Position::read(text), None, "{text}");
        }
    }

    #[test]
    fn a_scan_walks_all_primaries_in_order() {
        let primaries = [(0, at(1)), (100, at(2))];
        let (mut position, mut walked) = (Some(Position::default()), Vec::new());
        let mut cursors = [5, 0, 6, 0].into_iter();
        while let Some(here) = position {
            let (node, cursor) = here.within(&primaries).unwrap();
            walked.push((node.clone(), cursor));
            position = Position::after(cursors.next().unwrap(), node, &primaries);
        }
        assert_eq!(walked, [(at(1), 0), (at(1), 5), (at(2), 0), (at(2), 6)]);
    }

    #[test]
    fn the_heir_of_a_lost_primary_is_scanned_from_its_start() {
        let position = Position::after(5, &at(2), &[(0, at(1)), (100, at(2)), (200, at(3))]).unwrap();
        assert_eq!(position.within(&[(0, at(1)), (100, at(4)), (200, at(3))]), Some((&at(4), 0)));
        assert_eq!(position.within(&[(0, at(1)), (90, at(4)), (200, at(3))]), Some((&at(4), 0)));
        assert_eq!(position.within(&[(0, at(1)), (101, at(2))]), Some((&at(2), 5)), "a lost slot moves no scan");
        assert_eq!(position.within(&[]), None);
    }
}
