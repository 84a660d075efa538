//! The writer, in the layout of CPython's C pickler, so that unchanged pickles of Django stay byte for byte the same.

use super::{
    arena::Arena,
    node::{Call, Id, Node, Object},
};
use crate::django::python::int;

/// The number of items that CPython adds at once.
const BATCH: usize = 1000;
/// At this size a frame is closed, and a string is written outside frames.
const FRAME_TARGET: usize = 64 * 1024;
/// A shorter frame has no header.
const FRAME_MIN: usize = 4;
const FRAME_HEADER: usize = 9;

/// Writes `root` in protocol 2 to 5.
pub(super) fn write(arena: &Arena, root: Id, protocol: u8) -> Vec<u8> {
    let mut writer = Writer {
        arena,
        protocol,
        out: vec![0x80, protocol],
        memo: vec![None; arena.len()],
        memo_len: 0,
        framing: false,
        frame_start: None,
    };
    writer.framing = protocol >= 4;
    writer.save(root);
    writer.put(b".");
    writer.close_frame();
    writer.out
}

struct Writer<'a> {
    arena: &'a Arena,
    protocol: u8,
    out: Vec<u8>,
    memo: Vec<Option<u32>>,
    memo_len: u32,
    framing: bool,
    frame_start: Option<usize>,
}

impl Writer<'_> {
    /// Recursive: the arena bounds the depth.
    fn save(&mut self, id: Id) {
        if self.frame_start.is_some_and(|start| self.out.len() - start - FRAME_HEADER >= FRAME_TARGET) {
            self.close_frame();
        }
        if let Some(index) = self.memo[id.index()] {
            return self.get(index);
        }
        let arena = self.arena;
        match arena.node(id) {
            Node::None => self.put(b"N"),
            Node::Bool(false) => self.put(&[0x89]),
            Node::Bool(true) => self.put(&[0x88]),
            Node::Int(number) => self.int(*number),
            Node::Long(span) => self.long(arena.bytes(*span)),
            Node::Float(float) => {
                self.put(b"G");
                self.put(&float.to_be_bytes());
            }
            Node::Str(span) => {
                let short = if self.protocol >= 4 { Some(0x8c) } else { None };
                self.sized(short, b'X', arena.bytes(*span));
                self.memoize(id);
            }
            Node::Bytes(span) => {
                self.sized(Some(b'C'), b'B', arena.bytes(*span));
                self.memoize(id);
            }
            Node::ByteArray(span) => {
                let bytes = arena.bytes(*span);
                let mut header = [0x96; 9];
                header[1..].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
                self.write_bytes(&header, bytes);
                self.memoize(id);
            }
            Node::Tuple(items) => self.tuple(id, items),
            Node::List(items) => {
                self.put(b"]");
                self.memoize(id);
                self.list_items(items);
            }
            Node::Dict(pairs) => {
                self.put(b"}");
                self.memoize(id);
                self.dict_items(pairs);
            }
            Node::Set(items) => {
                self.put(&[0x8f]);
                self.memoize(id);
                if !items.is_empty() {
                    self.batches(items, true, 0x90, |writer, item| writer.save(*item));
                }
            }
            Node::FrozenSet(items) => {
                self.put(b"(");
                self.save_all(items);
                self.put(&[0x91]);
                self.memoize(id);
            }
            Node::Global { module, name } => self.global(id, *module, *name),
            Node::Object(object) => self.object(id, object),
        }
    }

    fn save_all(&mut self, items: &[Id]) {
        for item in items {
            self.save(*item);
        }
    }

    fn int(&mut self, number: i64) {
        if let Ok(byte) = u8::try_from(number) {
            self.put(&[b'K', byte]);
        } else if let Ok(short) = u16::try_from(number) {
            self.put(b"M");
            self.put(&short.to_le_bytes());
        } else if let Ok(word) = i32::try_from(number) {
            self.put(b"J");
            self.put(&word.to_le_bytes());
        } else {
            self.long(&int::from_i64(number));
        }
    }

    fn long(&mut self, bytes: &[u8]) {
        if let Ok(len) = u8::try_from(bytes.len()) {
            self.put(&[0x8a, len]);
        } else {
            self.put(&[0x8b]);
            self.put(&(bytes.len() as u32).to_le_bytes());
        }
        self.put(bytes);
    }

    fn sized(&mut self, short: Option<u8>, long: u8, bytes: &[u8]) {
        match (short, u8::try_from(bytes.len())) {
            (Some(short), Ok(len)) => self.write_bytes(&[short, len], bytes),
            _ => {
                let mut header = [long; 5];
                header[1..].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
                self.write_bytes(&header, bytes);
            }
        }
    }

    fn tuple(&mut self, id: Id, items: &[Id]) {
        let opcode = match items.len() {
            0 => return self.put(b")"),
            len @ 1..=3 => 0x84 + len as u8,
            _ => {
                self.put(b"(");
                b't'
            }
        };
        self.save_all(items);
        self.put(&[opcode]);
        self.memoize(id);
    }

    fn list_items(&mut self, items: &[Id]) {
        match items {
            [] => {}
            [item] => {
                self.save(*item);
                self.put(b"a");
            }
            _ => self.batches(items, false, b'e', |writer, item| writer.save(*item)),
        }
    }

    fn dict_items(&mut self, pairs: &[[Id; 2]]) {
        match pairs {
            [] => {}
            [pair] => {
                self.save_all(pair);
                self.put(b"s");
            }
            _ => self.batches(pairs, true, b'u', |writer, pair| writer.save_all(pair)),
        }
    }

    /// Batches of an exact list, dict or set. For a dict or set CPython writes one more, empty batch if the last one
    /// is full.
    fn batches<T>(&mut self, items: &[T], and_empty: bool, opcode: u8, mut save: impl FnMut(&mut Self, &T)) {
        let extra = (and_empty && items.len().is_multiple_of(BATCH)).then_some(&[][..]);
        for batch in items.chunks(BATCH).chain(extra) {
            self.put(b"(");
            batch.iter().for_each(|item| save(self, item));
            self.put(&[opcode]);
        }
    }

    /// Batches from an iterator, as for a subclass of list or dict: a last batch of one item has no mark.
    fn object_batches<T>(&mut self, items: &[T], one: u8, many: u8, mut save: impl FnMut(&mut Self, &T)) {
        for batch in items.chunks(BATCH) {
            if let [item] = batch {
                save(self, item);
                self.put(&[one]);
            } else {
                self.put(b"(");
                batch.iter().for_each(|item| save(self, item));
                self.put(&[many]);
            }
        }
    }

    fn global(&mut self, id: Id, module: Id, name: Id) {
        if self.protocol >= 4 {
            self.save(module);
            self.save(name);
            self.put(&[0x93]);
        } else {
            let arena = self.arena;
            self.put(b"c");
            for part in [module, name] {
                self.put(arena.str_bytes(part).unwrap_or_default());
                self.put(b"\n");
            }
        }
        self.memoize(id);
    }

    fn object(&mut self, id: Id, object: &Object) {
        self.save(object.callable);
        self.save(object.args);
        match (object.call, object.kwargs) {
            (Call::NewEx, Some(kwargs)) => {
                self.save(kwargs);
                self.put(&[0x92]);
            }
            (Call::Reduce, _) => self.put(b"R"),
            (Call::New | Call::NewEx, _) => self.put(&[0x81]),
        }
        self.memoize(id);
        self.object_batches(object.list(), b'a', b'e', |writer, item| writer.save(*item));
        self.object_batches(object.dict(), b's', b'u', |writer, pair| writer.save_all(pair));
        if let Some(state) = object.state {
            self.save(state);
            self.put(b"b");
        }
    }

    // The memo.

    fn memoize(&mut self, id: Id) {
        let index = self.memo_len;
        self.memo[id.index()] = Some(index);
        self.memo_len += 1;
        match u8::try_from(index) {
            _ if self.protocol >= 4 => self.put(&[0x94]),
            Ok(index) => self.put(&[b'q', index]),
            Err(_) => {
                self.put(b"r");
                self.put(&index.to_le_bytes());
            }
        }
    }

    fn get(&mut self, index: u32) {
        if let Ok(index) = u8::try_from(index) {
            self.put(&[b'h', index]);
        } else {
            self.put(b"j");
            self.put(&index.to_le_bytes());
        }
    }

    // Frames.

    fn put(&mut self, bytes: &[u8]) {
        if self.framing && self.frame_start.is_none() {
            self.frame_start = Some(self.out.len());
            self.out.extend_from_slice(&[0; FRAME_HEADER]);
        }
        self.out.extend_from_slice(bytes);
    }

    /// Strings and bytes; long ones outside frames.
    fn write_bytes(&mut self, header: &[u8], bytes: &[u8]) {
        let framing = self.framing;
        if bytes.len() >= FRAME_TARGET {
            self.close_frame();
            self.framing = false;
        }
        self.put(header);
        self.put(bytes);
        self.framing = framing;
    }

    fn close_frame(&mut self) {
        let Some(start) = self.frame_start.take() else { return };
        let len = self.out.len() - start - FRAME_HEADER;
        if len >= FRAME_MIN {
            self.out[start] = 0x95;
            self.out[start + 1..start + FRAME_HEADER].copy_from_slice(&(len as u64).to_le_bytes());
        } else {
            self.out.drain(start..start + FRAME_HEADER);
        }
    }
}
