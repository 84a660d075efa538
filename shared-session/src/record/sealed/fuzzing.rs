//! Properties that must hold for any bytes in place of a sealed record, and for any bytes sealed in one.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub, reason = "for tests only")]

use super::*;
use crate::keys::SecretKeys;

const KEY: &str = "shared_session:AAAAAAAAAAAAAAAAAAAAAAAA";
const NOW: StoreTime = StoreTime(1_700_000_000_000);

fn sealing() -> Sealing {
    Sealing::new(&SecretKeys::new("a secret key of at least thirty-two bytes").unwrap()).unwrap()
}

fn format(sealing: Sealing) -> Sealed {
    Sealed { native: Native::new("shared_session:".into()), sealing }
}

fn is_same(a: &Record, b: &Record) -> bool {
    a.head == b.head && a.entries == b.entries && a.form.rotated == b.form.rotated && a.form.previous == b.form.previous
}

/// Any stored value in place of a sealed record: forged bytes do not open, and a sealed record opens unchanged.
pub fn sealed_record(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    made_up(&bytes);
    plain(&bytes);
    inside(&bytes);
}

fn made_up(bytes: &Bytes) {
    let sealed = format(sealing());
    assert!(sealed.open(KEY, bytes).is_err(), "made up, and it opens");
    // Deeper: the form is valid, and the sealed text is forged, also with the id of the key.
    let (head, text) = bytes.split_at(bytes.len().min(97));
    let id = sealed.sealing.ring.seal_with([0; 24], b"", &[]).unwrap()[..cipher::ID].to_vec();
    for text in [text.to_vec(), [&id, text].concat()] {
        let head = [SEALED_START, head].concat();
        let framed = joined(head, &text).unwrap();
        assert!(sealed.open(KEY, &framed).is_err(), "made up, and it opens");
    }
}

fn plain(bytes: &Bytes) {
    let accepting = format(sealing().accept_plain());
    let found = accepting.open(KEY, bytes);
    assert_eq!(found.is_ok(), native::decode(bytes).is_ok());
    let Ok(found) = found else { return };
    let lifetime = Lifetime::default();
    let stamp = Stamp { tag: "", now: NOW, lifetime: &lifetime };
    let written = accepting.touched(KEY, &found, found.head.clone(), &stamp).expect("a read record can be sealed");
    let again = format(sealing()).open(KEY, written.bytes()).expect("a sealed record opens");
    assert!(again.head == found.head && again.entries == found.entries);
    bent(&format(sealing()), written.bytes(), bytes);
}

/// Seals the bytes with a valid key; the first four choose the commit.
fn inside(bytes: &Bytes) {
    let Some((commit, text)) = bytes.split_first_chunk::<4>() else { return };
    let commit = u32::from_be_bytes(*commit);
    let after = format!(r#"{commit:016x}","t":"{}","s":"{}""#, "T".repeat(24), "S".repeat(43));
    let head = [SEALED_START, after.as_bytes()].concat();
    let sealed = format(sealing());
    let text_sealed = sealed.sealing.ring.seal_with([0; 24], text, &[KEY.as_bytes(), &head]).unwrap();
    let stored = joined(head, &text_sealed).unwrap();
    let plain = Bytes::from([START, after.as_bytes(), text].concat());
    assert!(sealed.opened(KEY, &stored).is_ok_and(|opened| opened == plain), "it opens as something else");
    match (sealed.open(KEY, &stored), native::decode(&plain)) {
        (Ok(found), Ok(expected)) => {
            assert!(is_same(&found, &expected) && found.bytes() == &stored);
            let lifetime = Lifetime::default();
            let stamp = Stamp { tag: "abcdefghijklmnopqrstuvwx", now: NOW, lifetime: &lifetime };
            let content = Content { head: found.head.clone(), entries: found.entries.clone() };
            let next = sealed.next(KEY, &found, None, &stamp, content).expect("a record that was opened can be sealed");
            let again = sealed.open(KEY, next.bytes()).expect("a sealed record opens");
            assert!(again.head == found.head && again.entries == found.entries);
        }
        (Err(error), Err(_)) => assert_eq!(error.kind(), ErrorKind::Unreadable),
        (found, _) => unreachable!("sealed and plain differ: {:?}", found.map(drop)),
    }
    bent(&sealed, &stored, text);
}

/// A sealed record does not open under another key, nor after a change that `how` chooses.
fn bent(sealed: &Sealed, stored: &Bytes, how: &[u8]) {
    assert!(sealed.open("another key", stored).is_err());
    let at = how.iter().fold(0, |sum: usize, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)));
    let (at, to) = (at % stored.len(), how.first().copied().unwrap_or_default());
    let mut forged = stored.to_vec();
    forged[at] ^= 1;
    assert!(sealed.open(KEY, &forged.clone().into()).is_err(), "changed at {at}, and it opens");
    forged[at] = to;
    assert!(forged == **stored || sealed.open(KEY, &forged.into()).is_err(), "{to} at {at}, and it opens");
    assert!(sealed.open(KEY, &stored.slice(..at)).is_err(), "cut at {at}, and it opens");
    let longer = [&stored[..at], &[to], &stored[at..]].concat();
    assert!(sealed.open(KEY, &longer.into()).is_err(), "{to} put in at {at}, and it opens");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_records_keep_their_promises() {
        let record = native::fuzzing::RECORD;
        let inside = ["\0\0\0\x2a", &record[HEAD.end..]].concat();
        for bytes in [record.as_bytes(), &record.as_bytes()[12..], b"{}", b"", inside.as_bytes()] {
            sealed_record(bytes);
        }
    }
}
