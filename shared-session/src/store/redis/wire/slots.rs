//! The map from keys to the nodes of a cluster. No I/O.

use redis::Value;

use super::{address::Address, frame::text};

pub(crate) const SLOTS: u16 = 16_384;
const NOBODY: u16 = u16::MAX;

/// The slot of a key: CRC16 (XMODEM) of the key, or of the text between its first `{` and the next `}`, unless it is
/// empty. Redis Cluster specification, "Hash tags".
pub(crate) fn slot(key: &str) -> u16 {
    let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag);
    let hashed = tag.filter(|tag| !tag.is_empty()).unwrap_or(key);
    crc16(hashed.as_bytes()) % SLOTS
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc: u16, &byte| {
        (0..8)
            .fold(crc ^ (u16::from(byte) << 8), |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 })
    })
}

/// The primaries of a cluster and their slots.
#[derive(Clone, Debug)]
pub(crate) struct Slots {
    nodes: Vec<Address>,
    /// For each slot the index of its node.
    owners: Vec<u16>,
}

impl Slots {
    /// Reads the reply of the node at `asked` to `CLUSTER SLOTS`.
    pub(crate) fn read(reply: Value, asked: &Address) -> Option<Self> {
        let mut slots = Self { nodes: Vec::new(), owners: vec![NOBODY; usize::from(SLOTS)] };
        let Value::Array(ranges) = reply else { return None };
        for range in ranges {
            let Value::Array(range) = range else { return None };
            let mut range = range.into_iter();
            let (Some(Value::Int(first)), Some(Value::Int(last)), Some(Value::Array(node))) =
                (range.next(), range.next(), range.next())
            else {
                return None;
            };
            let mut node = node.into_iter();
            let (host, Some(Value::Int(port))) = (node.next().and_then(text), node.next()) else { return None };
            let node = slots.index(resolve(host.as_deref(), u16::try_from(port).ok()?, asked)?);
            let range = usize::try_from(first).ok()?..=usize::try_from(last).ok()?;
            slots.owners.get_mut(range)?.fill(node);
        }
        (!slots.nodes.is_empty()).then_some(slots)
    }

    /// Records that `address` has `slot` now.
    pub(crate) fn set(&mut self, slot: u16, address: Address) {
        let node = self.index(address);
        if let Some(owner) = self.owners.get_mut(usize::from(slot)) {
            *owner = node;
        }
    }

    fn index(&mut self, address: Address) -> u16 {
        let known = self.nodes.iter().position(|node| *node == address).unwrap_or_else(|| {
            self.nodes.push(address);
            self.nodes.len() - 1
        });
        u16::try_from(known).unwrap_or(NOBODY)
    }

    /// The node that has `slot`.
    pub(crate) fn owner(&self, slot: u16) -> Option<&Address> {
        self.nodes.get(usize::from(*self.owners.get(usize::from(slot))?))
    }

    /// Every primary, with its lowest slot, sorted by slot.
    pub(crate) fn primaries(&self) -> Vec<(u16, Address)> {
        let mut primaries: Vec<(u16, Address)> = Vec::new();
        let mut seen = vec![false; self.nodes.len()];
        for slot in 0..SLOTS {
            let owner = self.owners.get(usize::from(slot)).map_or(usize::MAX, |&owner| usize::from(owner));
            if let (Some(seen @ false), Some(node)) = (seen.get_mut(owner), self.nodes.get(owner)) {
                *seen = true;
                primaries.push((slot, node.clone()));
            }
        }
        primaries
    }
}

/// A redirection of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Redirect {
    /// For all commands from now on.
    Moved,
    /// For this command only, which must follow `ASKING`.
    Ask,
}

/// Reads `3999 127.0.0.1:6381`, with which the node at `asked` redirects: the slot, and its owner.
pub(crate) fn read_redirect(detail: &str, asked: &Address) -> Option<(u16, Address)> {
    let (slot, address) = detail.split_once(' ')?;
    let (host, port) = address.trim().rsplit_once(':')?;
    let slot = slot.parse().ok().filter(|slot| *slot < SLOTS)?;
    Some((slot, resolve(Some(host), port.parse().ok()?, asked)?))
}

/// An empty host name means the node that was asked.
fn resolve(host: Option<&str>, port: u16, asked: &Address) -> Option<Address> {
    match (host, asked) {
        (None | Some("" | "?"), Address::Tcp(host, _)) => Some(Address::Tcp(host.clone(), port)),
        (None | Some("" | "?"), Address::Unix(_)) => None,
        (Some(host), _) => Some(Address::Tcp(host.to_owned(), port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> Address {
        Address::Tcp("127.0.0.1".into(), port)
    }

    /// Redis Cluster specification, appendix A, and `CLUSTER KEYSLOT` of Redis 7.
    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
        assert_eq!((slot(""), slot("foo"), slot("{user1000}.following")), (0, 12_182, slot("user1000")));
        assert_eq!(slot("foo{}{bar}"), crc16(b"foo{}{bar}") % SLOTS);
        assert_eq!(slot("foo{{bar}}zap"), crc16(b"{bar") % SLOTS);
        assert_eq!(slot("foo{bar}{zap}"), slot("bar"));
        assert_eq!(slot("foo{bar"), crc16(b"foo{bar") % SLOTS);
    }

    fn range(first: i64, last: i64, host: Value, port: i64) -> Value {
        let node = Value::Array(vec![host, Value::Int(port), Value::BulkString(b"id".to_vec()), Value::Array(vec![])]);
        let replica = node.clone();
        Value::Array(vec![Value::Int(first), Value::Int(last), node, replica])
    }

    fn name(host: &str) -> Value {
        Value::BulkString(host.as_bytes().to_vec())
    }

    #[test]
    fn a_slot_map_finds_the_owner_and_learns() {
        let ranges = [
            range(9000, 16_383, name("127.0.0.1"), 3),
            range(0, 99, name(""), 1),
            range(100, 199, Value::Nil, 2),
            range(200, 200, name("127.0.0.1"), 1),
        ];
        let mut slots = Slots::read(Value::Array(ranges.to_vec()), &at(9)).unwrap();
        assert_eq!(
            [0, 99, 100, 200, 16_383].map(|slot| slots.owner(slot)),
            [1, 1, 2, 1, 3].map(at).each_ref().map(Some)
        );
        assert_eq!(slots.owner(201), None);
        assert_eq!(slots.primaries(), [(0, at(1)), (100, at(2)), (9000, at(3))]);
        slots.set(0, at(4));
        slots.set(1, at(2));
        assert_eq!(slots.primaries(), [(0, at(4)), (1, at(2)), (2, at(1)), (9000, at(3))]);
    }

    #[test]
    fn a_map_that_makes_no_sense_is_none() {
        let bad = [
            Value::Nil,
            Value::Array(vec![]),
            Value::Array(vec![Value::Nil]),
            Value::Array(vec![range(0, 16_384, name("h"), 1)]),
            Value::Array(vec![range(-1, 4, name("h"), 1)]),
            Value::Array(vec![range(0, 4, name("h"), 65_536)]),
        ];
        for reply in bad {
            let shown = format!("{reply:?}");
            assert!(Slots::read(reply, &at(1)).is_none(), "{shown}");
        }
    }

    #[test]
    fn redirects_are_read() {
        assert_eq!(read_redirect("3999 127.0.0.1:6381", &at(1)), Some((3999, at(6381))));
        assert_eq!(read_redirect("3999 :6381", &at(1)), Some((3999, at(6381))));
        assert_eq!(read_redirect("1 2001:db8::1:6381", &at(1)), Some((1, Address::Tcp("2001:db8::1".into(), 6381))));
        for bad in ["", "3999", "16384 h:1", "x h:1", "1 h:70000", "1 h"] {
            assert_eq!(read_redirect(bad, &at(1)), None, "{bad}");
        }
    }
}
