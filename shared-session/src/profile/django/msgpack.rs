//! MessagePack as Python's `msgpack` reads and writes it, for django-redis.

use bytes::Bytes;

use super::{
    Reason,
    members::{Member, Members},
    pickle::{PyInt, PyObject, PyStr, PyValue},
    text,
};

/// The deepest nesting.
const MAX_DEPTH: u8 = 128;
/// The most values.
const MAX_VALUES: usize = 1 << 17;

/// The value of a text.
pub(super) fn value(bytes: &[u8]) -> Result<PyValue, Reason> {
    let mut reader = Reader { bytes, at: 0, depth: 0, values: 0 };
    let value = reader.value()?;
    reader.end()?;
    Ok(value)
}

/// The members of a map, each as it was written.
pub(super) fn read_members(source: &Bytes) -> Result<Members, Reason> {
    let mut reader = Reader { bytes: source, at: 0, depth: 1, values: 0 };
    let len = match reader.byte()? {
        byte @ 0x80..=0x8f => usize::from(byte & 0x0f),
        0xde => reader.len(2)?,
        0xdf => reader.len(4)?,
        _ => return Err("not_a_dict"),
    };
    let mut members = Members::default();
    for _ in 0..len {
        let start = reader.at;
        let name = match reader.value()? {
            PyValue::Str(name) => name.as_str().map(Into::into),
            _ => None,
        };
        let raw_key = source.slice(start..reader.at);
        let start = reader.at;
        reader.value()?;
        members.add(Member { name, raw_key, raw: source.slice(start..reader.at) });
    }
    reader.end()?;
    Ok(members)
}

/// A map of these members.
pub(super) fn write_members(members: &Members) -> Vec<u8> {
    let mut out = Vec::new();
    header(&mut out, members.len(), Some((0x80, 16)), [None, Some(0xde), Some(0xdf)]);
    for member in members.iter() {
        out.extend_from_slice(&member.raw_key);
        out.extend_from_slice(&member.raw);
    }
    out
}

/// A member. What MessagePack does not have becomes the string that `DjangoJSONEncoder` writes.
pub(super) fn member(key: &PyValue, value: &PyValue) -> Result<Member, Reason> {
    let name = match key {
        PyValue::Str(name) => name.as_str().map(Into::into),
        _ => None,
    };
    let bytes = |value: &PyValue| {
        let mut out = Vec::new();
        write(&mut out, value, 1).map(|()| Bytes::from(out))
    };
    Ok(Member { name, raw_key: bytes(key)?, raw: bytes(value)? })
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: u8,
    values: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self) -> Result<PyValue, Reason> {
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err("nodes");
        }
        Ok(match self.byte()? {
            byte @ 0x00..=0x7f => i64::from(byte).into(),
            byte @ 0x80..=0x8f => self.map(usize::from(byte & 0x0f))?,
            byte @ 0x90..=0x9f => self.array(usize::from(byte & 0x0f))?,
            byte @ 0xa0..=0xbf => self.string(usize::from(byte & 0x1f))?,
            0xc0 => PyValue::None,
            0xc1 => return Err("unknown_type"),
            0xc2 => PyValue::Bool(false),
            0xc3 => PyValue::Bool(true),
            byte @ 0xc4..=0xc6 => {
                let len = self.len(1 << (byte - 0xc4))?;
                PyValue::Bytes(self.take(len)?.to_vec())
            }
            byte @ 0xc7..=0xc9 => {
                let len = self.len(1 << (byte - 0xc7))?;
                self.extension(len)?
            }
            0xca => PyValue::Float(f32::from_be_bytes(self.array_of()?).into()),
            0xcb => PyValue::Float(f64::from_be_bytes(self.array_of()?)),
            0xcc => i64::from(self.byte()?).into(),
            0xcd => i64::from(u16::from_be_bytes(self.array_of()?)).into(),
            0xce => i64::from(u32::from_be_bytes(self.array_of()?)).into(),
            0xcf => PyInt::from(u64::from_be_bytes(self.array_of()?)).into(),
            0xd0 => i64::from(i8::from_be_bytes(self.array_of()?)).into(),
            0xd1 => i64::from(i16::from_be_bytes(self.array_of()?)).into(),
            0xd2 => i64::from(i32::from_be_bytes(self.array_of()?)).into(),
            0xd3 => i64::from_be_bytes(self.array_of()?).into(),
            byte @ 0xd4..=0xd8 => self.extension(1 << (byte - 0xd4))?,
            byte @ 0xd9..=0xdb => {
                let len = self.len(1 << (byte - 0xd9))?;
                self.string(len)?
            }
            byte @ (0xdc | 0xdd) => {
                let len = self.len(if byte == 0xdc { 2 } else { 4 })?;
                self.array(len)?
            }
            byte @ (0xde | 0xdf) => {
                let len = self.len(if byte == 0xde { 2 } else { 4 })?;
                self.map(len)?
            }
            byte @ 0xe0.. => i64::from(byte.cast_signed()).into(),
        })
    }

    fn array(&mut self, len: usize) -> Result<PyValue, Reason> {
        self.deeper()?;
        // Nothing is made for a length alone.
        let mut items = Vec::new();
        for _ in 0..len {
            items.push(self.value()?);
        }
        self.depth -= 1;
        Ok(PyValue::List(items))
    }

    fn map(&mut self, len: usize) -> Result<PyValue, Reason> {
        self.deeper()?;
        let mut pairs = Vec::new();
        for _ in 0..len {
            pairs.push((self.value()?, self.value()?));
        }
        self.depth -= 1;
        Ok(PyValue::Dict(pairs))
    }

    fn string(&mut self, len: usize) -> Result<PyValue, Reason> {
        let text = std::str::from_utf8(self.take(len)?).map_err(|_| "utf8")?;
        Ok(PyValue::Str(text.into()))
    }

    /// A type of the application's own.
    fn extension(&mut self, len: usize) -> Result<PyValue, Reason> {
        self.take(len + 1)?;
        Ok(PyValue::Object(PyObject { module: "msgpack".to_owned(), name: "ExtType".to_owned(), value: None }))
    }

    fn deeper(&mut self) -> Result<(), Reason> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err("depth") } else { Ok(()) }
    }

    /// A length in so many bytes.
    fn len(&mut self, width: usize) -> Result<usize, Reason> {
        Ok(self.take(width)?.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)))
    }

    fn byte(&mut self) -> Result<u8, Reason> {
        self.array_of().map(|[byte]| byte)
    }

    fn array_of<const N: usize>(&mut self) -> Result<[u8; N], Reason> {
        self.take(N)?.try_into().map_err(|_| "end")
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Reason> {
        let end = self.at.checked_add(len).ok_or("end")?;
        let taken = self.bytes.get(self.at..end).ok_or("end")?;
        self.at = end;
        Ok(taken)
    }

    fn end(&self) -> Result<(), Reason> {
        if self.at == self.bytes.len() { Ok(()) } else { Err("trailing_bytes") }
    }
}

fn write(out: &mut Vec<u8>, value: &PyValue, depth: u8) -> Result<(), Reason> {
    if depth > MAX_DEPTH {
        return Err("depth");
    }
    match value {
        PyValue::None => out.push(0xc0),
        PyValue::Bool(value) => out.push(0xc2 + u8::from(*value)),
        PyValue::Int(number) => integer(out, number)?,
        PyValue::Float(number) => {
            out.push(0xcb);
            out.extend_from_slice(&number.to_be_bytes());
        }
        PyValue::Str(text) => string(out, text)?,
        PyValue::Bytes(bytes) | PyValue::ByteArray(bytes) => {
            header(out, bytes.len(), None, [Some(0xc4), Some(0xc5), Some(0xc6)]);
            out.extend_from_slice(bytes);
        }
        PyValue::List(items) | PyValue::Tuple(items) => {
            header(out, items.len(), Some((0x90, 16)), [None, Some(0xdc), Some(0xdd)]);
            items.iter().try_for_each(|item| write(out, item, depth + 1))?;
        }
        PyValue::Dict(pairs) => {
            header(out, pairs.len(), Some((0x80, 16)), [None, Some(0xde), Some(0xdf)]);
            for (key, value) in pairs {
                write(out, key, depth + 1)?;
                write(out, value, depth + 1)?;
            }
        }
        PyValue::Object(object) => write(out, object.value.as_deref().ok_or("object")?, depth)?,
        _ => string(out, &text::django(value).ok_or("not_msgpack")?.as_str().into())?,
    }
    Ok(())
}

/// The shortest of an integer; beyond 64 bits there is none.
fn integer(out: &mut Vec<u8>, number: &PyInt) -> Result<(), Reason> {
    let Some(small) = number.to_i64() else {
        let mut wide = [0; 9];
        let bytes = number.as_le_bytes();
        wide.get_mut(..bytes.len()).ok_or("range")?.copy_from_slice(bytes);
        let [low @ .., 0] = wide else { return Err("range") };
        // A negative number of 64 bits would have been a small one.
        if bytes.len() < 9 {
            return Err("range");
        }
        out.push(0xcf);
        out.extend(low.iter().rev());
        return Ok(());
    };
    let (code, width) = match small {
        -32..=0x7f => {
            out.push(small as u8);
            return Ok(());
        }
        0..=0xff => (0xcc, 1),
        0..=0xffff => (0xcd, 2),
        0..=0xffff_ffff => (0xce, 4),
        0.. => (0xcf, 8),
        -0x80.. => (0xd0, 1),
        -0x8000.. => (0xd1, 2),
        -0x8000_0000.. => (0xd2, 4),
        _ => (0xd3, 8),
    };
    out.push(code);
    out.extend_from_slice(&small.to_be_bytes()[8 - width..]);
    Ok(())
}

fn string(out: &mut Vec<u8>, text: &PyStr) -> Result<(), Reason> {
    let text = text.as_str().ok_or("surrogate")?;
    header(out, text.len(), Some((0xa0, 32)), [Some(0xd9), Some(0xda), Some(0xdb)]);
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// A type with a length: within one byte if it is below a limit, else in one, two or four bytes more.
fn header(out: &mut Vec<u8>, len: usize, fixed: Option<(u8, u8)>, [one, two, four]: [Option<u8>; 3]) {
    match (fixed, one, two, four) {
        (Some((code, limit)), ..) if len < usize::from(limit) => out.push(code | len as u8),
        (_, Some(code), ..) if len <= 0xff => out.extend_from_slice(&[code, len as u8]),
        (_, _, Some(code), _) if len <= 0xffff => {
            out.push(code);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        (.., code) => {
            // No session is so long that four bytes would not do.
            out.extend(code);
            out.extend_from_slice(&(len as u32).to_be_bytes());
        }
    }
}
