//! A replace that sends only the bytes that differ, for large values that keep their length.
//!
//! A script copies its arguments several times, so 20 KB cost more than everything else in a write. Most writes change
//! a few bytes: the version, the time of use, a number.
//!
//! The script compares the part that identifies the version, the length, and every byte that it overwrites. The bytes
//! that are not sent stay as stored. They are equal to the ones seen, unless another writer has changed them without a
//! new version: an update of the last use, which any other write may overtake.

use std::{ops::Range, time::Duration};

use super::{
    scripts::{self, replaced},
    wire::{
        connection::Connection,
        encode::millis,
        failure::{CallFailure, Effect},
    },
};
use crate::{
    decimal::Decimal,
    error::Error,
    store::{Replaced, Seen},
};

/// The shortest value that is written this way. For shorter values the calls within the script cost more than the
/// bytes.
pub(super) const LEAST: usize = 4 * 1024;

/// Bytes are compared and sent in blocks of this length.
const BLOCK: usize = 64;

/// Up to this many equal bytes between two differences are written too, because two calls within the script cost more.
const GAP: usize = 8 * BLOCK;

/// The maximum number of places to write.
const PLACES: usize = 4;

/// Replaces a value with one of the same length; `None` if nothing was done, because too much differs or the Redis user
/// is known to lack a permission.
pub(super) async fn replace(
    connection: &Connection,
    key: &str,
    seen: &Seen,
    value: &[u8],
    ttl: Duration,
) -> Result<Option<Replaced>, Error> {
    let capability = &connection.capabilities().patch;
    if !capability.may_be_used() {
        return Ok(None);
    }
    let old = seen.whole();
    let part = seen.offset()..seen.offset() + seen.part().len();
    let Some(places) = differences(old, value, &part) else { return Ok(None) };
    let number = |number: usize| Decimal::of(number as u64);
    let (len, lifetime) = (number(value.len()), millis(ttl));
    let ends: Vec<_> = places.iter().map(|place| [number(place.start), number(place.end - 1)]).collect();
    let mut args = Vec::with_capacity(2 + 4 * PLACES);
    args.extend([len.as_bytes(), lifetime.as_bytes()]);
    for ([first, last], place) in ends.iter().zip(places) {
        let [seen, new] = [old, value].map(|bytes| bytes.get(place.clone()).unwrap_or_default());
        args.extend([first.as_bytes(), last.as_bytes(), seen, new]);
    }
    match scripts::PATCH.call(connection, key, &args).await {
        Ok(reply) => replaced(reply).map(Some),
        // A command of the script is forbidden or renamed. If it is the last one, everything except the lifetime is
        // written.
        Err(CallFailure::Answered(answer)) if answer.is("NOPERM") || answer.is("ERR") => {
            tracing::debug!("this server refuses SETRANGE, STRLEN or PEXPIRE: large sessions are sent whole");
            capability.refused();
            let replaced = scripts::replace_whole(connection, key, seen, value, ttl).await?;
            match &replaced {
                Replaced::Conflict(current) if current == value => {
                    let written = Seen::new(current.clone(), part);
                    scripts::replace_whole(connection, key, &written, value, ttl).await.map(Some)
                }
                _ => Ok(Some(replaced)),
            }
        }
        Err(failure) => Err(failure.into_error(Effect::Write)),
    }
}

/// The places where `new` differs from `old`, and `part`; `None` unless `new` is large, of the same length and mostly
/// equal.
fn differences(old: &[u8], new: &[u8], part: &Range<usize>) -> Option<Vec<Range<usize>>> {
    if old.len() != new.len() || new.len() < LEAST || part.is_empty() {
        return None;
    }
    let differing = |length: usize, within: Range<usize>| {
        let pieces = within.clone().step_by(length).map(move |start| start..(start + length).min(within.end));
        pieces.filter(|here| {
            let is_of_part = here.start < part.end && part.start < here.end;
            is_of_part || old.get(here.clone()) != new.get(here.clone())
        })
    };
    // Most of it is equal, and a long comparison is cheaper than many short ones.
    let blocks = differing(GAP, 0..new.len()).flat_map(|longer| differing(BLOCK, longer));
    let mut places = Vec::<Range<usize>>::with_capacity(PLACES);
    for Range { start, end } in blocks {
        if let Some(last) = places.last_mut()
            && start - last.end <= GAP
        {
            last.end = end;
        } else if places.len() < PLACES {
            places.push(start..end);
        } else {
            return None;
        }
    }
    let sent: usize = places.iter().map(ExactSizeIterator::len).sum();
    (sent <= new.len() / 4).then_some(places)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::single_range_in_vec_init, reason = "a list of places may have one")]

    use super::*;

    const PART: Range<usize> = 12..59;

    fn changed(len: usize, at: &[usize]) -> Option<Vec<Range<usize>>> {
        let old = vec![b'a'; len];
        let mut new = old.clone();
        at.iter().for_each(|at| new[*at] = b'b');
        let places = differences(&old, &new, &PART)?;
        let mut written = old;
        places.iter().for_each(|place| written[place.clone()].copy_from_slice(&new[place.clone()]));
        assert!(written == new, "{places:?}");
        Some(places)
    }

    #[test]
    fn every_byte_that_differs_is_written() {
        for len in [LEAST, LEAST + 1, LEAST + BLOCK - 1, 20_308] {
            for at in 0..len {
                let apart = at / BLOCK * BLOCK > BLOCK + GAP;
                assert_eq!(changed(len, &[at]).unwrap().len(), 1 + usize::from(apart), "{at} of {len}");
            }
        }
    }

    #[test]
    fn the_part_is_compared_whether_it_changes_or_not() {
        assert_eq!(changed(LEAST, &[]), Some(vec![0..BLOCK]));
        let value = vec![b'a'; LEAST];
        for (part, place) in [(60..70, 0..2 * BLOCK), (BLOCK..2 * BLOCK, BLOCK..2 * BLOCK), (4095..LEAST, 4032..LEAST)]
        {
            assert_eq!(differences(&value, &value, &part), Some(vec![place]), "{part:?}");
        }
        assert_eq!(differences(&value, &value, &(12..12)), None, "nothing to compare");
        assert_eq!(differences(&value, &value, &(0..LEAST)), None, "the whole value is compared");
    }

    #[test]
    fn near_differences_are_written_together() {
        assert_eq!(changed(20_308, &[0, BLOCK + GAP]), Some(vec![0..2 * BLOCK + GAP]));
        let next = 2 * BLOCK + GAP;
        assert_eq!(changed(20_308, &[0, next]), Some(vec![0..BLOCK, next..next + BLOCK]));
    }

    #[test]
    fn a_value_that_differs_in_length_or_in_many_places_is_sent_whole() {
        let value = vec![b'a'; 2 * LEAST];
        assert_eq!(differences(&value, &value[1..], &PART), None);
        assert_eq!(differences(&value[1..], &value, &PART), None);
        assert_eq!(changed(LEAST - 1, &[0]), None);
        let apart: Vec<_> = (0..=PLACES).map(|place| place * 3 * GAP).collect();
        assert_eq!(changed(20_308, &apart[..PLACES]).unwrap().len(), PLACES);
        assert_eq!(changed(20_308, &apart), None);
        let many: Vec<_> = (0..LEAST / 2).collect();
        assert_eq!(changed(2 * LEAST, &many), Some(vec![0..LEAST / 2]));
        assert_eq!(changed(2 * LEAST, &[&many[..], &[LEAST / 2]].concat()), None);
    }
}
