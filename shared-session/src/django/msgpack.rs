//! MessagePack as Python's `msgpack` reads and writes it, for django-redis.

use bytes::Bytes;

use super::{
    members::{MAX_MEMBERS, Member, Members},
    python::{PyInt, PyObject, PyStr, PyValue, make::Make, text},
    refusal::Reason,
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

/// The members of a map, each with its original bytes.
pub(super) fn read_members(source: &Bytes) -> Result<Members, Reason> {
    let mut reader = Reader { bytes: source, at: 0, depth: 1, values: 0 };
    let len = match reader.byte()? {
        byte @ 0x80..=0x8f => usize::from(byte & 0x0f),
        0xde => reader.len(2)?,
        0xdf => reader.len(4)?,
        _ => return Err("not_a_dict"),
    };
    if len > MAX_MEMBERS {
        return Err("nodes");
    }
    let mut found = Vec::new();
    for _ in 0..len {
        let start = reader.at;
        let name = match reader.value()? {
            PyValue::Str(name) => name.as_str().map(Into::into),
            _ => None,
        };
        let raw_key = source.slice(start..reader.at);
        let start = reader.at;
        reader.value::<()>()?;
        found.push(Member { name, raw_key, raw: source.slice(start..reader.at) });
    }
    reader.end()?;
    Ok(Members::of(found))
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

/// A member. A value without a MessagePack counterpart becomes the string that `DjangoJSONEncoder` writes.
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
    fn value<V: Make>(&mut self) -> Result<V, Reason> {
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err("nodes");
        }
        Ok(match self.byte()? {
            byte @ 0x00..=0x7f => number(byte),
            byte @ 0x80..=0x8f => self.map(usize::from(byte & 0x0f))?,
            byte @ 0x90..=0x9f => self.array(usize::from(byte & 0x0f))?,
            byte @ 0xa0..=0xbf => self.string(usize::from(byte & 0x1f))?,
            0xc0 => V::plain(|| PyValue::None),
            0xc1 => return Err("unknown_type"),
            0xc2 => V::plain(|| PyValue::Bool(false)),
            0xc3 => V::plain(|| PyValue::Bool(true)),
            byte @ 0xc4..=0xc6 => {
                let len = self.len(1 << (byte - 0xc4))?;
                let bytes = self.take(len)?;
                V::plain(|| PyValue::Bytes(bytes.to_vec()))
            }
            byte @ 0xc7..=0xc9 => {
                let len = self.len(1 << (byte - 0xc7))?;
                self.extension(len)?
            }
            0xca => float(f32::from_be_bytes(self.array_of()?).into()),
            0xcb => float(f64::from_be_bytes(self.array_of()?)),
            0xcc => number(self.byte()?),
            0xcd => number(u16::from_be_bytes(self.array_of()?)),
            0xce => number(u32::from_be_bytes(self.array_of()?)),
            0xcf => {
                let number = u64::from_be_bytes(self.array_of()?);
                V::plain(|| PyInt::from(number).into())
            }
            0xd0 => number(i8::from_be_bytes(self.array_of()?)),
            0xd1 => number(i16::from_be_bytes(self.array_of()?)),
            0xd2 => number(i32::from_be_bytes(self.array_of()?)),
            0xd3 => number(i64::from_be_bytes(self.array_of()?)),
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
            byte @ 0xe0.. => number(byte.cast_signed()),
        })
    }

    fn array<V: Make>(&mut self, len: usize) -> Result<V, Reason> {
        self.deeper()?;
        // No allocation by the declared length alone.
        let mut items = Vec::new();
        for _ in 0..len {
            items.push(self.value()?);
        }
        self.depth -= 1;
        Ok(V::list(items))
    }

    fn map<V: Make>(&mut self, len: usize) -> Result<V, Reason> {
        self.deeper()?;
        let mut pairs = Vec::new();
        for _ in 0..len {
            pairs.push((self.value()?, self.value()?));
        }
        self.depth -= 1;
        Ok(V::dict(pairs))
    }

    fn string<V: Make>(&mut self, len: usize) -> Result<V, Reason> {
        let text = std::str::from_utf8(self.take(len)?).map_err(|_| "utf8")?;
        Ok(V::plain(|| PyValue::Str(text.into())))
    }

    /// An application-specific type.
    fn extension<V: Make>(&mut self, len: usize) -> Result<V, Reason> {
        self.take(len + 1)?;
        Ok(V::plain(|| {
            PyValue::Object(PyObject { module: "msgpack".to_owned(), name: "ExtType".to_owned(), value: None })
        }))
    }

    fn deeper(&mut self) -> Result<(), Reason> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err("depth") } else { Ok(()) }
    }

    /// A length in `width` bytes.
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

fn number<V: Make>(number: impl Into<i64>) -> V {
    V::plain(|| number.into().into())
}

fn float<V: Make>(number: f64) -> V {
    V::plain(|| PyValue::Float(number))
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

/// The shortest form of an integer. MessagePack integers have at most 64 bits.
fn integer(out: &mut Vec<u8>, number: &PyInt) -> Result<(), Reason> {
    let Some(small) = number.to_i64() else {
        let mut wide = [0; 9];
        let bytes = number.as_le_bytes();
        wide.get_mut(..bytes.len()).ok_or("range")?.copy_from_slice(bytes);
        let [low @ .., 0] = wide else { return Err("range") };
        // A negative 64-bit number is already handled above.
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
        0x80..=0xff => (0xcc, 1),
        0x100..=0xffff => (0xcd, 2),
        0x1_0000..=0xffff_ffff => (0xce, 4),
        0x1_0000_0000.. => (0xcf, 8),
        -0x80..=-33 => (0xd0, 1),
        -0x8000..=-0x81 => (0xd1, 2),
        -0x8000_0000..=-0x8001 => (0xd2, 4),
        ..-0x8000_0000 => (0xd3, 8),
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

/// A type with a length: in the first byte if it is below a limit, else in one, two or four further bytes.
fn header(out: &mut Vec<u8>, len: usize, fixed: Option<(u8, u8)>, [one, two, four]: [Option<u8>; 3]) {
    match (fixed, one, two, four) {
        (Some((code, limit)), ..) if len < usize::from(limit) => out.push(code | len as u8),
        (_, Some(code), ..) if len <= 0xff => out.extend_from_slice(&[code, len as u8]),
        (_, _, Some(code), _) if len <= 0xffff => {
            out.push(code);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        (.., code) => {
            // Four bytes are enough for any session.
            out.extend(code);
            out.extend_from_slice(&(len as u32).to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

    use super::*;
    use crate::django::document::tests::{tree, unhex};

    fn written(value: &PyValue) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out, value, 0).unwrap();
        out
    }

    #[test]
    fn integers_have_the_bytes_that_python_gives_them() {
        // msgpack.dumps([0, 127, 128, …])
        let bytes = unhex(
            "dc0015007fcc80ccffcd0100cdffffce00010000ceffffffffcf0000000100000000cf8000000000000000cfffffffffffffffff\
             ffe0d0dfd080d1ff7fd18000d2ffff7fffd280000000d3ffffffff7fffffffd38000000000000000",
        );
        let small = [0, 127, 128, 255, 256, 65_535, 65_536, 0xffff_ffff, 0x1_0000_0000].map(PyValue::from);
        let large = [1 << 63, u64::MAX].map(|number| PyInt::from(number).into());
        let negative = [-1, -32, -33, -128, -129, -32_768, -32_769, -0x8000_0000, -0x8000_0001, i64::MIN];
        let all = PyValue::List(small.into_iter().chain(large).chain(negative.map(PyValue::from)).collect());
        assert_eq!(written(&all), bytes);
        assert_eq!(value(&bytes), Ok(all));
        for beyond in ["18446744073709551616", "-9223372036854775809"] {
            let number = PyInt::from_decimal(beyond).unwrap().into();
            assert_eq!(write(&mut Vec::new(), &number, 0), Err("range"));
        }
    }

    #[test]
    fn lengths_have_the_bytes_that_python_gives_them() {
        let head = |value: PyValue, head: &str| {
            let bytes = written(&value);
            assert!(bytes.starts_with(&unhex(head)), "{head}");
            assert_eq!(self::value(&bytes), Ok(value), "{head}");
        };
        for (len, expected) in [
            (0, "a0"),
            (31, "bf78"),
            (32, "d92078"),
            (255, "d9ff78"),
            (256, "da010078"),
            (65_535, "daffff78"),
            (65_536, "db0001000078"),
        ] {
            head("x".repeat(len).into(), expected);
        }
        for (len, expected) in
            [(0, "c400"), (255, "c4ff78"), (256, "c5010078"), (65_535, "c5ffff78"), (65_536, "c60001000078")]
        {
            head(PyValue::Bytes(vec![b'x'; len]), expected);
        }
        for (len, expected) in [(15, "9f01"), (16, "dc001001"), (65_535, "dcffff01"), (65_536, "dd0001000001")] {
            head(PyValue::List(vec![1.into(); len]), expected);
        }
        for (len, expected) in [(15, "8f0001"), (16, "de00100001")] {
            head(PyValue::Dict((0..len).map(|key| (key.into(), 1.into())).collect()), expected);
        }
    }

    #[test]
    fn other_types_are_read_and_kept() {
        // A 32-bit float, an extension of each kind of header, a timestamp.
        let source = Bytes::from(unhex("84a166ca3fc00000a165d40105a174d6ff00000001a16cc7030a010203"));
        let members = read_members(&source).unwrap();
        assert_eq!(value(members.get("f").unwrap()), Ok(1.5.into()));
        for name in ["e", "t", "l"] {
            assert_eq!(tree(&value(members.get(name).unwrap()).unwrap())["v"], "msgpack.ExtType");
        }
        assert_eq!(write_members(&members), source);
    }

    #[test]
    fn input_that_python_refuses_is_refused() {
        for (bytes, reason) in [
            ("c1", "unknown_type"),
            ("", "end"),
            ("a2ff", "end"),
            ("a1ff", "utf8"),
            ("dbffffffff", "end"),
            ("ddffffffff", "end"),
            ("dfffffffff", "end"),
            ("c7ff", "end"),
            ("9000", "trailing_bytes"),
        ] {
            assert_eq!(value(&unhex(bytes)), Err(reason), "{bytes}");
        }
        assert_eq!(value(&[0x91; 200]), Err("depth"));
        assert_eq!(value(&[&[0xdd, 0, 3, 0, 0][..], &[0xc0; 0x3_0000]].concat()), Err("nodes"));
        let members = |hex: &str| read_members(&Bytes::from(unhex(hex))).map(|members| members.len());
        assert_eq!(members("90"), Err("not_a_dict"));
        assert_eq!(members("81a161"), Err("end"));
        assert_eq!(members("8000"), Err("trailing_bytes"));
        assert_eq!(members("82a16101a16102"), Ok(1), "the last of equal keys");
        let dict = vec![("b".into(), 4.into()), ("c".into(), 2.into()), (3.into(), 3.into())];
        assert_eq!(value(&unhex("84a16201a163020303a16204")), Ok(PyValue::Dict(dict)), "as in a dict");
    }
}
