//! The machine that reads a pickle. It never imports or calls, and checks lengths before it allocates.

use bytes::Bytes;

use super::{
    arena::Arena,
    guard,
    input::Input,
    node::{
        Call, Id, Ids, MAX_BYTES, MAX_DEPTH, MAX_LONG, MAX_NAMES, MAX_NODES, MAX_OPS, MAX_WEIGHT, Node, Object, Pairs,
        Reason, Span,
    },
    text,
};
use crate::django::python::{int, surrogates};

pub(super) struct Loaded {
    pub(super) arena: Arena,
    pub(super) root: Id,
    /// The declared protocol, or the lowest that has all opcodes found.
    pub(super) protocol: u8,
}

/// Reads one pickle of a dict.
pub(super) fn read(input: &Bytes) -> Result<Loaded, Reason> {
    if input.len() > MAX_BYTES {
        return Err("too_large");
    }
    if input.is_empty() {
        return Err("empty");
    }
    let mut machine = Machine {
        input: Input::new(input),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: Vec::new(),
        memo_len: 0,
        digits: 0,
        names: 0,
        text: Vec::new(),
        arena: Arena::new(input.clone()),
        protocol: 0,
    };
    let root = machine.run()?;
    machine.arena.check_keys()?;
    Ok(Loaded { arena: machine.arena, root, protocol: machine.protocol })
}

struct Machine<'a> {
    input: Input<'a>,
    stack: Vec<Id>,
    /// Stack heights.
    marks: Vec<usize>,
    memo: Vec<Option<Id>>,
    memo_len: usize,
    /// The weight of all decimal integers, including unused ones, because their conversion takes quadratic time.
    digits: u32,
    /// The weight of the names of classes and functions, counted at each look-up, because they may be shared and long.
    names: usize,
    /// A buffer for the text of one opcode.
    text: Vec<u8>,
    arena: Arena,
    protocol: u8,
}

impl<'a> Machine<'a> {
    fn run(&mut self) -> Result<Id, Reason> {
        for _ in 0..MAX_OPS {
            let opcode = self.input.opcode()?;
            if opcode == b'.' {
                return self.stop();
            }
            self.step(opcode)?;
        }
        Err("ops")
    }

    fn stop(&mut self) -> Result<Id, Reason> {
        let root = self.pop()?;
        if !self.stack.is_empty() || !self.marks.is_empty() {
            return Err("stack_not_empty");
        }
        if !self.input.is_empty() {
            return Err("trailing_bytes");
        }
        if matches!(self.arena.node(root), Node::Dict(_)) { Ok(root) } else { Err("not_a_dict") }
    }

    fn step(&mut self, opcode: u8) -> Result<(), Reason> {
        self.protocol = self.protocol.max(match opcode {
            b'J' | b'K' | b'M' | b'G' | b'X' | b']' | b'}' | b')' | b'q' | b'r' | b'h' | b'j' | b'e' | b'u' => 1,
            0x80..=0x8b => 2,
            b'C' | b'B' => 3,
            0x8c..=0x95 => 4,
            0x96..=0x98 => 5,
            _ => 0,
        });
        match opcode {
            0x80 => self.declare(),
            0x95 => self.input.frame(),
            b'(' => self.mark(),
            b'N' => self.push(Id::NONE),
            0x88 => self.push(Id::TRUE),
            0x89 => self.push(Id::FALSE),
            b')' => self.push(Id::EMPTY_TUPLE),
            b'J' => self.input.array().and_then(|bytes| self.push_new(Node::Int(i32::from_le_bytes(bytes).into()))),
            b'K' => self.input.array().and_then(|[byte]| self.push_new(Node::Int(byte.into()))),
            b'M' => self.input.array().and_then(|bytes| self.push_new(Node::Int(u16::from_le_bytes(bytes).into()))),
            0x8a => self.input.sized::<1>().and_then(|span| self.long(span)),
            0x8b => self.input.sized_signed().and_then(|span| self.long(span)),
            b'G' => self.input.array().and_then(|bytes| self.push_new(Node::Float(f64::from_be_bytes(bytes)))),
            0x8c => self.input.sized::<1>().and_then(|span| self.string(span)),
            b'X' => self.input.sized::<4>().and_then(|span| self.string(span)),
            0x8d => self.input.sized::<8>().and_then(|span| self.string(span)),
            b'C' => self.input.sized::<1>().and_then(|span| self.push_new(Node::Bytes(span))),
            b'B' => self.input.sized::<4>().and_then(|span| self.push_new(Node::Bytes(span))),
            0x8e => self.input.sized::<8>().and_then(|span| self.push_new(Node::Bytes(span))),
            0x96 => self.input.sized::<8>().and_then(|span| self.push_new(Node::ByteArray(span))),
            b'I' | b'L' | b'F' | b'V' | b'p' | b'g' => self.text_opcode(opcode),
            b'}' => self.push_new(Node::Dict(Pairs::new())),
            b']' => self.push_new(Node::List(Ids::new())),
            0x8f => self.push_new(Node::Set(Ids::new())),
            0x85..=0x87 => self.small_tuple(usize::from(opcode - 0x84)),
            b't' => self.pop_mark().and_then(|items| self.tuple(items)),
            b'l' => self.pop_mark().and_then(|items| self.push_new(Node::List(items))),
            0x91 => self.pop_mark().and_then(|items| self.push_new(Node::FrozenSet(items))),
            b'd' => self.dict(),
            b'a' => self.pop().and_then(|item| self.change(|arena, top| arena.append(top, &[item]))),
            b'e' => self.extend(Arena::append),
            0x90 => self.extend(Arena::add_items),
            b's' => self.pop_two().and_then(|pair| self.change(|arena, top| arena.set_items(top, &pair))),
            b'u' => self.extend(Arena::set_items),
            0x94 => self.put(self.memo_len),
            b'q' => self.input.array().and_then(|[index]| self.put(usize::from(index))),
            b'r' => self.input.array().and_then(|index| self.put(u32::from_le_bytes(index) as usize)),
            b'h' => self.input.array().and_then(|[index]| self.get(usize::from(index))),
            b'j' => self.input.array().and_then(|index| self.get(u32::from_le_bytes(index) as usize)),
            b'c' => self.global_lines(),
            0x93 => self.pop_two().and_then(|[module, name]| self.global(module, name)),
            b'R' => self.pop_two().and_then(|[callable, args]| self.call(Call::Reduce, callable, args, None)),
            0x81 => self.pop_two().and_then(|[callable, args]| self.call(Call::New, callable, args, None)),
            0x92 => self.call_with_keywords(),
            b'b' => self.build(),
            // CPython pops only self-referring values, and the result of a state setter. The other opcodes are Python
            // 2, duplicates, persistent ids, extension codes, out-of-band buffers.
            b'0' | b'1' => Err("pop"),
            b'S' | b'T' | b'U' => Err("python2_str"),
            b'2' | b'i' | b'o' | b'P' | b'Q' | 0x82..=0x84 | 0x97 | 0x98 => Err("opcode"),
            _ => Err("unknown_opcode"),
        }
    }

    fn declare(&mut self) -> Result<(), Reason> {
        if self.input.at() != 1 {
            return Err("late_protocol");
        }
        let [protocol] = self.input.array()?;
        if protocol > 5 {
            return Err("protocol");
        }
        self.protocol = protocol;
        Ok(())
    }

    // The stack and the memo.

    fn push(&mut self, id: Id) -> Result<(), Reason> {
        if self.stack.len() >= MAX_NODES {
            return Err("nodes");
        }
        self.stack.push(id);
        Ok(())
    }

    fn push_new(&mut self, node: Node) -> Result<(), Reason> {
        let id = self.arena.add(node)?;
        self.push(id)
    }

    fn mark(&mut self) -> Result<(), Reason> {
        // Each open mark belongs to an unfinished container.
        if self.marks.len() > usize::from(MAX_DEPTH) {
            return Err("depth");
        }
        self.marks.push(self.stack.len());
        Ok(())
    }

    fn top(&self) -> Result<Id, Reason> {
        if self.marks.last() == Some(&self.stack.len()) {
            return Err("stack_underflow");
        }
        self.stack.last().copied().ok_or("stack_underflow")
    }

    fn pop(&mut self) -> Result<Id, Reason> {
        let id = self.top()?;
        self.stack.pop();
        Ok(id)
    }

    fn pop_two(&mut self) -> Result<[Id; 2], Reason> {
        let second = self.pop()?;
        Ok([self.pop()?, second])
    }

    fn pop_mark(&mut self) -> Result<Ids, Reason> {
        let height = self.marks.pop().ok_or("no_mark")?;
        Ok(self.pop_from(height))
    }

    fn pop_from(&mut self, height: usize) -> Ids {
        let items = Ids::from_slice(&self.stack[height..]);
        self.stack.truncate(height);
        items
    }

    fn change(&mut self, edit: impl FnOnce(&mut Arena, Id) -> Result<(), Reason>) -> Result<(), Reason> {
        let top = self.top()?;
        edit(&mut self.arena, top)
    }

    /// Adds everything above the mark to the value below it.
    fn extend(&mut self, edit: fn(&mut Arena, Id, &[Id]) -> Result<(), Reason>) -> Result<(), Reason> {
        let height = self.marks.pop().ok_or("no_mark")?;
        let (below, items) = self.stack.split_at(height);
        let fence = self.marks.last().copied().unwrap_or(0);
        let to = below.get(fence..).and_then(<[Id]>::last).ok_or("stack_underflow")?;
        edit(&mut self.arena, *to, items)?;
        self.stack.truncate(height);
        Ok(())
    }

    fn put(&mut self, index: usize) -> Result<(), Reason> {
        let id = self.top()?;
        if index >= MAX_NODES {
            return Err("memo");
        }
        if index >= self.memo.len() {
            self.memo.resize(index + 1, None);
        }
        self.memo_len += usize::from(self.memo[index].replace(id).is_none());
        Ok(())
    }

    fn get(&mut self, index: usize) -> Result<(), Reason> {
        let id = self.memo.get(index).copied().flatten().ok_or("memo")?;
        self.push(id)
    }

    // Values.

    fn long(&mut self, span: Span) -> Result<(), Reason> {
        let bytes = int::shortest(self.arena.bytes(span));
        if bytes.len() > MAX_LONG {
            return Err("long");
        }
        if let Some(small) = int::to_i64(bytes) {
            return self.push_new(Node::Int(small));
        }
        let len = bytes.len();
        let start = self.input.at() - span.len();
        let span = Span::of(start..start + len)?;
        self.push_new(Node::Long(span))
    }

    fn string(&mut self, span: Span) -> Result<(), Reason> {
        surrogates::check(self.arena.bytes(span))?;
        self.push_new(Node::Str(span))
    }

    /// Stores `bytes` as a new string.
    fn new_string(&mut self, bytes: &[u8]) -> Result<Id, Reason> {
        surrogates::check(bytes)?;
        let span = self.arena.store(bytes)?;
        self.arena.add(Node::Str(span))
    }

    fn text_opcode(&mut self, opcode: u8) -> Result<(), Reason> {
        let line = self.input.line()?;
        match opcode {
            b'I' if line == b"00" => self.push(Id::FALSE),
            b'I' if line == b"01" => self.push(Id::TRUE),
            b'I' | b'L' => {
                let digits = if opcode == b'L' { line.strip_suffix(b"L").unwrap_or(line) } else { line };
                if let Some(small) = text::small_integer(digits) {
                    return self.push_new(Node::Int(small));
                }
                let bytes = text::integer(digits)?;
                self.digits = self.digits.saturating_add((digits.len().saturating_mul(digits.len()) / 64) as u32);
                if self.digits > MAX_WEIGHT {
                    return Err("weight");
                }
                match int::to_i64(&bytes) {
                    Some(small) => self.push_new(Node::Int(small)),
                    None => self.arena.store(&bytes).and_then(|span| self.push_new(Node::Long(span))),
                }
            }
            b'F' => text::float(line).and_then(|float| self.push_new(Node::Float(float))),
            b'V' => {
                let mut string = std::mem::take(&mut self.text);
                string.clear();
                text::unescape(line, &mut string)?;
                let id = self.new_string(&string)?;
                self.text = string;
                self.push(id)
            }
            _ => {
                let index = text::index(line)?;
                if opcode == b'p' { self.put(index) } else { self.get(index) }
            }
        }
    }

    fn small_tuple(&mut self, len: usize) -> Result<(), Reason> {
        let fence = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() - fence < len {
            return Err("stack_underflow");
        }
        let items = self.pop_from(self.stack.len() - len);
        self.tuple(items)
    }

    fn tuple(&mut self, items: Ids) -> Result<(), Reason> {
        if items.is_empty() { self.push(Id::EMPTY_TUPLE) } else { self.push_new(Node::Tuple(items)) }
    }

    fn dict(&mut self) -> Result<(), Reason> {
        let items = self.pop_mark()?;
        let dict = self.arena.add(Node::Dict(Pairs::new()))?;
        self.arena.set_items(dict, &items)?;
        self.push(dict)
    }

    fn global_lines(&mut self) -> Result<(), Reason> {
        let (module, name) = (self.input.line()?, self.input.line()?);
        let (module, name) = (self.new_string(module)?, self.new_string(name)?);
        self.global(module, name)
    }

    fn global(&mut self, module: Id, name: Id) -> Result<(), Reason> {
        self.look_at_names(self.arena.str_len(module) + self.arena.str_len(name))?;
        let (Some(module_text), Some(name_text)) = (self.arena.text(module), self.arena.text(name)) else {
            return Err("global");
        };
        let only_called = guard::check_name(module_text, name_text)?;
        let id = self.arena.add(Node::Global { module, name })?;
        if only_called {
            self.arena.only_called(id);
        }
        self.push(id)
    }

    fn look_at_names(&mut self, len: usize) -> Result<(), Reason> {
        self.names += 64 + len;
        if self.names > MAX_NAMES { Err("names") } else { Ok(()) }
    }

    fn call(&mut self, call: Call, callable: Id, args: Id, kwargs: Option<Id>) -> Result<(), Reason> {
        if let Some(len) = guard::names_of_call(&self.arena, callable, args) {
            self.look_at_names(len)?;
        }
        guard::check_call(&self.arena, callable, args)?;
        let object = Object::new(call, callable, args, kwargs, None);
        self.push_new(Node::Object(Box::new(object)))
    }

    fn call_with_keywords(&mut self) -> Result<(), Reason> {
        let kwargs = self.pop()?;
        let [callable, args] = self.pop_two()?;
        if !matches!(self.arena.node(kwargs), Node::Dict(_)) {
            return Err("kwargs_not_dict");
        }
        self.call(Call::NewEx, callable, args, Some(kwargs))
    }

    fn build(&mut self) -> Result<(), Reason> {
        let state = self.pop()?;
        guard::check_state(&self.arena, state)?;
        self.change(|arena, top| arena.build(top, state))
    }
}
