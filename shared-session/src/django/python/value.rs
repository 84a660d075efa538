//! Python values as Rust types of our own.

use std::fmt;

use super::{int, surrogates};

/// A Python value, read from a pickle or for writing into one.
///
/// `Debug` names the kind and shows no content.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum PyValue {
    /// `None`
    None,
    /// `bool`
    Bool(bool),
    /// `int` of any size
    Int(PyInt),
    /// `float`
    Float(f64),
    /// `str`, which may hold lone surrogates
    Str(PyStr),
    /// `bytes`
    Bytes(Vec<u8>),
    /// `bytearray`
    ByteArray(Vec<u8>),
    /// `list`
    List(Vec<PyValue>),
    /// `tuple`
    Tuple(Vec<PyValue>),
    /// `set`, in the order found
    Set(Vec<PyValue>),
    /// `frozenset`, in the order found
    FrozenSet(Vec<PyValue>),
    /// `dict`, in insertion order
    Dict(Vec<(PyValue, PyValue)>),
    /// `datetime.datetime`
    DateTime(PyDateTime),
    /// `datetime.date`
    Date(PyDate),
    /// `datetime.time`
    Time(PyTime),
    /// `datetime.timedelta`
    TimeDelta(PyTimeDelta),
    /// `decimal.Decimal`, as its text
    Decimal(String),
    /// `uuid.UUID`, most significant byte first
    Uuid([u8; 16]),
    /// `complex`: real and imaginary part
    Complex(f64, f64),
    /// Any other object, by the name of its class or function. Kept in the pickle; it cannot be created.
    Object(PyObject),
}

impl PyValue {
    /// Equality, but each NaN equals itself.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let same = |a: f64, b: f64| a == b || a.is_nan() && b.is_nan();
        let all = |a: &[Self], b: &[Self]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.is_same(b));
        match (self, other) {
            (Self::Float(a), Self::Float(b)) => same(*a, *b),
            (Self::Complex(a, b), Self::Complex(c, d)) => same(*a, *c) && same(*b, *d),
            (Self::List(a), Self::List(b))
            | (Self::Tuple(a), Self::Tuple(b))
            | (Self::Set(a), Self::Set(b))
            | (Self::FrozenSet(a), Self::FrozenSet(b)) => all(a, b),
            (Self::Dict(a), Self::Dict(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0.is_same(&b.0) && a.1.is_same(&b.1))
            }
            (Self::Object(a), Self::Object(b)) => {
                let same = match (&a.value, &b.value) {
                    (Some(a), Some(b)) => a.is_same(b),
                    (a, b) => a.is_none() && b.is_none(),
                };
                same && (&a.module, &a.name) == (&b.module, &b.name)
            }
            _ => self == other,
        }
    }
}

impl fmt::Debug for PyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::None => "None",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Str(_) => "str",
            Self::Bytes(_) => "bytes",
            Self::ByteArray(_) => "bytearray",
            Self::List(_) => "list",
            Self::Tuple(_) => "tuple",
            Self::Set(_) => "set",
            Self::FrozenSet(_) => "frozenset",
            Self::Dict(_) => "dict",
            Self::DateTime(_) => "datetime",
            Self::Date(_) => "date",
            Self::Time(_) => "time",
            Self::TimeDelta(_) => "timedelta",
            Self::Decimal(_) => "Decimal",
            Self::Uuid(_) => "UUID",
            Self::Complex(..) => "complex",
            Self::Object(_) => "object",
        };
        write!(f, "PyValue({kind})")
    }
}

macro_rules! from {
    ($($type:ty => |$value:ident| $into:expr),* $(,)?) => {
        $(impl From<$type> for PyValue {
            fn from($value: $type) -> Self {
                $into
            }
        })*
    };
}

from! {
    bool => |value| Self::Bool(value),
    i64 => |value| Self::Int(value.into()),
    f64 => |value| Self::Float(value),
    &str => |value| Self::Str(value.into()),
    String => |value| Self::Str(value.as_str().into()),
    PyInt => |value| Self::Int(value),
    PyStr => |value| Self::Str(value),
    PyDateTime => |value| Self::DateTime(value),
    PyDate => |value| Self::Date(value),
    PyTime => |value| Self::Time(value),
    PyTimeDelta => |value| Self::TimeDelta(value),
    Vec<PyValue> => |value| Self::List(value),
}

/// An `int` of any size.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PyInt(Vec<u8>);

impl PyInt {
    /// From two's complement, least significant byte first.
    pub(in crate::django) fn from_le_bytes(bytes: &[u8]) -> Self {
        Self(int::shortest(bytes).to_vec())
    }

    /// From decimal digits with an optional minus sign. Takes quadratic time.
    #[must_use]
    pub fn from_decimal(text: &str) -> Option<Self> {
        int::from_decimal(text.as_bytes()).map(Self)
    }

    /// Two's complement, least significant byte first, as short as possible; zero has no bytes.
    pub(in crate::django) fn as_le_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The number, if it fits into 64 bits.
    #[must_use]
    pub fn to_i64(&self) -> Option<i64> {
        int::to_i64(&self.0)
    }

    /// Decimal digits. Takes quadratic time.
    #[must_use]
    pub fn to_decimal(&self) -> String {
        int::to_decimal(&self.0)
    }
}

impl From<i64> for PyInt {
    fn from(number: i64) -> Self {
        Self(int::from_i64(number))
    }
}

impl From<u64> for PyInt {
    fn from(number: u64) -> Self {
        let mut wide = [0; 9];
        wide[..8].copy_from_slice(&number.to_le_bytes());
        Self::from_le_bytes(&wide)
    }
}

impl fmt::Debug for PyInt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PyInt(..)")
    }
}

/// A `str`. Unlike a Rust string it may hold lone surrogates.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PyStr(Vec<u8>);

impl PyStr {
    /// The text, unless it holds a lone surrogate.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// UTF-8 in which each lone surrogate takes three bytes: Python's `encode("utf-8", "surrogatepass")`.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The code units of UTF-16.
    pub(in crate::django) fn code_units(&self) -> impl Iterator<Item = u16> {
        let mut rest = &self.0[..];
        let mut low = None;
        std::iter::from_fn(move || {
            if let Some(low) = low.take() {
                return Some(low);
            }
            let (code, len) = match *rest {
                [] => return None,
                [a @ ..0x80, ..] => (u32::from(a), 1),
                [a @ ..0xe0, b, ..] => (u32::from(a & 0x1f) << 6 | u32::from(b & 0x3f), 2),
                [a @ ..0xf0, b, c, ..] => {
                    (u32::from(a & 0x0f) << 12 | u32::from(b & 0x3f) << 6 | u32::from(c & 0x3f), 3)
                }
                [a, b, c, d, ..] => {
                    let high = u32::from(a & 0x07) << 18 | u32::from(b & 0x3f) << 12;
                    (high | u32::from(c & 0x3f) << 6 | u32::from(d & 0x3f), 4)
                }
                // Impossible in a checked string.
                _ => return None,
            };
            rest = rest.get(len..).unwrap_or_default();
            let Some(above) = code.checked_sub(0x1_0000) else { return Some(code as u16) };
            low = Some(0xdc00 | (above & 0x3ff) as u16);
            Some(0xd800 | (above >> 10) as u16)
        })
    }

    /// The reverse of [`PyStr::as_bytes`].
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        surrogates::check(bytes).ok()?;
        Some(Self(bytes.to_vec()))
    }
}

impl From<&str> for PyStr {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl fmt::Debug for PyStr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PyStr(..)")
    }
}

/// A `datetime.date` in the proleptic Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PyDate {
    /// 1 to 9999
    pub year: u16,
    /// 1 to 12
    pub month: u8,
    /// 1 to 31
    pub day: u8,
}

impl PyDate {
    pub(in crate::django) fn is_valid(self) -> bool {
        let leap = if self.year.is_multiple_of(100) { 400 } else { 4 };
        let days = match self.month {
            4 | 6 | 9 | 11 => 30,
            2 => 28 + u8::from(self.year.is_multiple_of(leap)),
            _ => 31,
        };
        (1..=9999).contains(&self.year) && (1..=12).contains(&self.month) && (1..=days).contains(&self.day)
    }
}

/// A `datetime.time`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PyTime {
    /// 0 to 23
    pub hour: u8,
    /// 0 to 59
    pub minute: u8,
    /// 0 to 59
    pub second: u8,
    /// 0 to 999,999
    pub microsecond: u32,
    /// Whether this is the second of two equal wall-clock times when clocks go back. Protocols below 4 lose it, as in
    /// Python.
    pub fold: bool,
    /// The time zone.
    pub offset: PyOffset,
}

impl PyTime {
    pub(in crate::django) fn is_valid(&self) -> bool {
        self.hour < 24 && self.minute < 60 && self.second < 60 && self.microsecond < 1_000_000 && self.offset.is_valid()
    }
}

/// A `datetime.datetime`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PyDateTime {
    /// The date.
    pub date: PyDate,
    /// The time of day, with the time zone in its `offset`.
    pub time: PyTime,
}

/// The `tzinfo` of a time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PyOffset {
    /// A naive time.
    None,
    /// `datetime.timezone`: seconds east of UTC, less than a day; `timezone.utc` is zero.
    Fixed(i32),
    /// `zoneinfo.ZoneInfo` by its key, such as `Europe/Paris`.
    Named(String),
}

impl PyOffset {
    fn is_valid(&self) -> bool {
        match self {
            Self::Fixed(seconds) => seconds.unsigned_abs() < 86_400,
            Self::None | Self::Named(_) => true,
        }
    }
}

/// A `datetime.timedelta`: the sum of its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PyTimeDelta {
    /// −999,999,999 to 999,999,999
    pub days: i32,
    /// 0 to 86,399
    pub seconds: u32,
    /// 0 to 999,999
    pub microseconds: u32,
}

impl PyTimeDelta {
    pub(in crate::django) fn is_valid(self) -> bool {
        self.days.unsigned_abs() <= 999_999_999 && self.seconds < 86_400 && self.microseconds < 1_000_000
    }
}

/// The name of an object's class, or of the function that makes it.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct PyObject {
    /// The module, such as `django.utils.safestring`.
    pub module: String,
    /// The name within the module, such as `SafeString`.
    pub name: String,
    /// The value of its base class, if known: the string of Django's `SafeString`, the dict of an `OrderedDict`,
    /// `defaultdict` or `Counter`.
    pub value: Option<Box<PyValue>>,
}

impl fmt::Debug for PyObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PyObject(..)")
    }
}
