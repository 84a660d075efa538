//! The positions of the members of fixed width, and the result of the readers of a record.

use std::{fmt, ops::Range, time::Duration};

use serde::Deserialize;

use crate::{
    error::{Error, ErrorKind},
    record::{content::Head, entries::Entries, expiry::Expiry, lifetime::Limits, previous::Previous, time::StoreTime},
};

/// The start of a record of format version 1.
pub(crate) const START: &[u8] = br#"{"v":1,"n":""#;
pub(super) const COMMIT: Range<usize> = 12..28;
pub(super) const TAG: Range<usize> = 35..59;
pub(super) const VERSION: Range<usize> = COMMIT.start..TAG.end;
pub(super) const SECRET: Range<usize> = 66..109;
/// The members of fixed width, up to the quote after the last one.
#[cfg(feature = "encryption")]
pub(crate) const HEAD: Range<usize> = 0..SECRET.end + 1;
/// The start of a record of format version 2, whose members after the head are sealed.
pub(crate) const SEALED_START: &[u8] = br#"{"v":2,"n":""#;

/// The content of a record, without its members of fixed width.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) rotated: StoreTime,
    pub(super) previous: Option<Box<Previous>>,
    pub(super) head: Head,
    pub(super) entries: Entries,
}

/// The expiry that was set for the session; `i` and `x` of the record hold the resulting limits.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OwnExpiry {
    pub(super) kind: ExpiryKind,
    /// The absolute limit of the lifetime.
    pub(super) x: u64,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ExpiryKind {
    Browser,
    Idle,
    Time,
}

impl ExpiryKind {
    pub(super) const ALL: [Self; 3] = [Self::Browser, Self::Idle, Self::Time];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Idle => "idle",
            Self::Time => "time",
        }
    }
}

impl OwnExpiry {
    pub(super) fn of(limits: &Limits) -> Option<Self> {
        let kind = match limits.expiry {
            Expiry::Configured => return None,
            Expiry::OnBrowserClose => ExpiryKind::Browser,
            Expiry::OnInactivity(_) => ExpiryKind::Idle,
            Expiry::At(_) => ExpiryKind::Time,
        };
        Some(Self { kind, x: limits.absolute.0 })
    }
}

/// The limits from the members `c`, `k`, `i`, `x` and `o` of a record.
pub(super) fn limits([c, k, i, x]: [u64; 4], own: Option<&OwnExpiry>) -> Limits {
    let (idle, deadline) = (Duration::from_millis(i), StoreTime(x));
    let expiry = match own.map(|own| own.kind) {
        None => Expiry::Configured,
        Some(ExpiryKind::Browser) => Expiry::OnBrowserClose,
        Some(ExpiryKind::Idle) => Expiry::OnInactivity(idle),
        Some(ExpiryKind::Time) => Expiry::At(deadline.into()),
    };
    let absolute = own.map_or(deadline, |own| StoreTime(own.x));
    Limits {
        created: StoreTime(c),
        touched: StoreTime(k),
        idle,
        deadline,
        expiry,
        absolute,
        signed_in: StoreTime::default(),
    }
}

pub(super) fn commit(digits: &[u8]) -> Result<u64, Error> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(u64::from);
    let commit = digits.iter().try_fold(0, |commit: u64, byte| Some(commit << 4 | digit(*byte)?));
    commit.ok_or_else(|| unreadable("its commit counter is not a number"))
}

pub(crate) fn unreadable(why: impl fmt::Display) -> Error {
    Error::new(ErrorKind::Unreadable, format!("a session record is unreadable: {why}"))
}
