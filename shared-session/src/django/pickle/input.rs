//! The bytes of a pickle, read argument by argument. Lengths are checked before any byte is taken.

use super::node::{Reason, Span};

pub(super) struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
    frame_end: Option<usize>,
}

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, frame_end: None }
    }

    /// The number of bytes taken.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn is_empty(&self) -> bool {
        self.at == self.bytes.len()
    }

    pub(super) fn opcode(&mut self) -> Result<u8, Reason> {
        if self.frame_end == Some(self.at) {
            self.frame_end = None;
        }
        let opcode = *self.bytes.get(self.at).ok_or("no_stop")?;
        self.at += 1;
        Ok(opcode)
    }

    fn take(&mut self, len: usize) -> Result<Span, Reason> {
        let start = self.at;
        let end = start.checked_add(len).filter(|end| *end <= self.bytes.len()).ok_or("truncated")?;
        if self.frame_end.is_some_and(|frame_end| end > frame_end) {
            return Err("frame_overrun");
        }
        self.at = end;
        Span::of(start..end)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Reason> {
        let start = self.at;
        self.take(N)?;
        self.bytes[start..].first_chunk().copied().ok_or("truncated")
    }

    /// A length of `N` bytes, followed by that many bytes.
    pub(super) fn sized<const N: usize>(&mut self) -> Result<Span, Reason> {
        let bytes: [u8; N] = self.array()?;
        let mut len = [0; 8];
        len[..N].copy_from_slice(&bytes);
        let len = usize::try_from(u64::from_le_bytes(len)).map_err(|_| "length")?;
        if len > self.bytes.len() - self.at { Err("length") } else { self.take(len) }
    }

    /// As `sized`, with a signed length of four bytes.
    pub(super) fn sized_signed(&mut self) -> Result<Span, Reason> {
        let len = usize::try_from(i32::from_le_bytes(self.array()?)).map_err(|_| "length")?;
        if len > self.bytes.len() - self.at { Err("length") } else { self.take(len) }
    }

    /// The bytes before the next line feed.
    pub(super) fn line(&mut self) -> Result<&'a [u8], Reason> {
        let bytes = self.bytes;
        let rest = &bytes[self.at..];
        let len = rest.iter().position(|byte| *byte == b'\n').ok_or("truncated_line")?;
        let start = self.at;
        self.take(len + 1)?;
        Ok(&bytes[start..start + len])
    }

    /// The length of a frame. No argument may cross its end.
    pub(super) fn frame(&mut self) -> Result<(), Reason> {
        if self.frame_end.is_some() {
            return Err("nested_frame");
        }
        let len = usize::try_from(u64::from_le_bytes(self.array()?)).map_err(|_| "frame_length")?;
        if len > self.bytes.len() - self.at {
            return Err("frame_length");
        }
        self.frame_end = Some(self.at + len);
        Ok(())
    }
}
