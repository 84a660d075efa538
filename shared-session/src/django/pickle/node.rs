//! The nodes of a pickle, and their limits.

use std::ops::Range;

use smallvec::SmallVec;

pub(super) use crate::django::refusal::Reason;

/// The longest pickle to read or write.
pub(super) const MAX_BYTES: usize = 1 << 20;
/// The most opcodes in a pickle.
pub(super) const MAX_OPS: usize = 200_000;
/// The most nodes in an arena, entries in a memo, and values on the stack. Python itself adds a thousand at a time to a
/// list, set or dict, and all at once to a tuple or frozenset.
pub(super) const MAX_NODES: usize = 1 << 17;
/// The most entries of a dict.
pub(super) const MAX_ENTRIES: usize = 1 << 16;
/// The deepest nesting. An object takes two levels.
pub(super) const MAX_DEPTH: u8 = 128;
/// The largest expanded size: the weight of the value with nothing shared.
pub(super) const MAX_WEIGHT: u32 = 1 << 22;
/// The longest integer, in bytes.
pub(super) const MAX_LONG: usize = 1024;

/// The largest weight of all names of classes and functions: 64 for each, plus their bytes. Python names each class
/// once.
pub(super) const MAX_NAMES: usize = 1 << 18;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Id(pub(super) u32);

impl Id {
    // Immutable, never memoised by CPython: one node each.
    pub(super) const NONE: Self = Self(0);
    pub(super) const FALSE: Self = Self(1);
    pub(super) const TRUE: Self = Self(2);
    pub(super) const EMPTY_TUPLE: Self = Self(3);

    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A part of the input, or of the bytes that edits added after it.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) len: u32,
}

impl Span {
    pub(super) fn of(range: Range<usize>) -> Result<Self, Reason> {
        let (Ok(start), Ok(len)) = (u32::try_from(range.start), u32::try_from(range.len())) else {
            return Err("too_large");
        };
        Ok(Self { start, len })
    }

    pub(super) const fn len(self) -> usize {
        self.len as usize
    }
}

/// Short lists are stored inline, because a pickle may contain many small containers.
pub(super) type Ids = SmallVec<[Id; 4]>;
pub(super) type Pairs = SmallVec<[[Id; 2]; 2]>;

#[derive(Clone)]
pub(super) enum Node {
    None,
    Bool(bool),
    Int(i64),
    /// More than 64 bits: two's complement, little-endian, as short as possible.
    Long(Span),
    Float(f64),
    /// UTF-8 in which lone surrogates are also encoded, as three bytes.
    Str(Span),
    Bytes(Span),
    ByteArray(Span),
    List(Ids),
    Tuple(Ids),
    Set(Ids),
    FrozenSet(Ids),
    Dict(Pairs),
    /// A class or function by name; both are `Str`.
    Global {
        module: Id,
        name: Id,
    },
    Object(Box<Object>),
}

/// The description of a call, which is never made.
#[derive(Clone)]
pub(super) struct Object {
    pub(super) call: Call,
    pub(super) callable: Id,
    pub(super) args: Id,
    /// Only for [`Call::NewEx`].
    pub(super) kwargs: Option<Id>,
    pub(super) state: Option<Id>,
    /// Its content as a list and as a dict, which only few objects have.
    held: Option<Box<(Ids, Pairs)>>,
}

impl Object {
    pub(super) fn new(call: Call, callable: Id, args: Id, kwargs: Option<Id>, state: Option<Id>) -> Self {
        Self { call, callable, args, kwargs, state, held: None }
    }

    pub(super) fn list(&self) -> &[Id] {
        self.held.as_ref().map_or(&[], |held| &held.0)
    }

    pub(super) fn dict(&self) -> &[[Id; 2]] {
        self.held.as_ref().map_or(&[], |held| &held.1)
    }

    pub(super) fn held(&mut self) -> &mut (Ids, Pairs) {
        self.held.get_or_insert_default()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Reduce,
    New,
    NewEx,
}
