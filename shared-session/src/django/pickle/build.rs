//! Adds new values to an arena, in the same shapes as Python's pickles.

use super::{
    arena::Arena,
    node::{Call, Id, Ids, MAX_DEPTH, MAX_LONG, Node, Object, Pairs, Reason},
};
use crate::django::python::{PyDate, PyDateTime, PyOffset, PyTime, PyTimeDelta, PyValue, int};

pub(super) struct Builder<'a> {
    arena: &'a mut Arena,
    protocol: u8,
    depth: u8,
    /// Names and strings that Python shares.
    shared: Vec<(&'static str, Id)>,
    globals: Vec<(&'static str, &'static str, Id)>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(arena: &'a mut Arena, protocol: u8) -> Self {
        Self { arena, protocol, depth: 0, shared: Vec::new(), globals: Vec::new() }
    }

    /// Adds `value`. A [`PyValue::Object`] cannot be created.
    pub(super) fn value(&mut self, value: &PyValue) -> Result<Id, Reason> {
        if self.depth > MAX_DEPTH {
            return Err("depth");
        }
        self.depth += 1;
        let id = self.build(value)?;
        self.depth -= 1;
        Ok(id)
    }

    pub(super) fn string(&mut self, bytes: &[u8]) -> Result<Id, Reason> {
        let span = self.arena.store(bytes)?;
        self.arena.add(Node::Str(span))
    }

    fn build(&mut self, value: &PyValue) -> Result<Id, Reason> {
        match value {
            PyValue::None => Ok(Id::NONE),
            PyValue::Bool(false) => Ok(Id::FALSE),
            PyValue::Bool(true) => Ok(Id::TRUE),
            PyValue::Int(number) => self.integer(number.as_le_bytes()),
            PyValue::Float(float) => self.arena.add(Node::Float(*float)),
            PyValue::Str(text) => self.string(text.as_bytes()),
            PyValue::Bytes(bytes) => self.bytes(bytes),
            PyValue::ByteArray(bytes) => self.byte_array(bytes),
            PyValue::List(items) => self.list(items),
            PyValue::Tuple(items) if items.is_empty() => Ok(Id::EMPTY_TUPLE),
            PyValue::Tuple(items) => self.all(items).and_then(|items| self.arena.add(Node::Tuple(items))),
            PyValue::Set(items) if self.protocol >= 4 => {
                self.all(items).and_then(|items| self.arena.add(Node::Set(items)))
            }
            PyValue::FrozenSet(items) if self.protocol >= 4 => {
                self.all(items).and_then(|items| self.arena.add(Node::FrozenSet(items)))
            }
            PyValue::Set(items) => self.list(items).and_then(|list| self.builtin("set", &[list])),
            PyValue::FrozenSet(items) => self.list(items).and_then(|list| self.builtin("frozenset", &[list])),
            PyValue::Dict(pairs) => self.dict(pairs),
            PyValue::DateTime(time) => self.date_time(time),
            PyValue::Date(date) => self.date(*date),
            PyValue::Time(time) => self.time(time),
            PyValue::TimeDelta(delta) => self.delta(*delta),
            PyValue::Decimal(text) => {
                let text = self.string(text.as_bytes())?;
                self.reduce("decimal", "Decimal", &[text])
            }
            PyValue::Uuid(number) => self.uuid(number),
            PyValue::Complex(re, im) => {
                let parts = [self.arena.add(Node::Float(*re))?, self.arena.add(Node::Float(*im))?];
                self.builtin("complex", &parts)
            }
            PyValue::Object(_) => Err("object"),
        }
    }

    fn all(&mut self, items: &[PyValue]) -> Result<Ids, Reason> {
        items.iter().map(|item| self.value(item)).collect()
    }

    fn integer(&mut self, bytes: &[u8]) -> Result<Id, Reason> {
        if bytes.len() > MAX_LONG {
            return Err("long");
        }
        if let Some(small) = int::to_i64(bytes) {
            return self.arena.add(Node::Int(small));
        }
        let span = self.arena.store(bytes)?;
        self.arena.add(Node::Long(span))
    }

    fn list(&mut self, items: &[PyValue]) -> Result<Id, Reason> {
        let items = self.all(items)?;
        self.arena.add(Node::List(items))
    }

    fn dict(&mut self, pairs: &[(PyValue, PyValue)]) -> Result<Id, Reason> {
        let mut keys = std::collections::HashSet::new();
        let mut strings = pairs.iter().filter_map(|(key, _)| match key {
            PyValue::Str(key) => Some(key),
            _ => None,
        });
        if !strings.all(|key| keys.insert(key)) {
            return Err("duplicate_key");
        }
        let pairs = pairs.iter().map(|(key, value)| Ok([self.value(key)?, self.value(value)?]));
        let pairs = pairs.collect::<Result<Pairs, Reason>>()?;
        self.arena.add(Node::Dict(pairs))
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<Id, Reason> {
        if self.protocol >= 3 {
            let span = self.arena.store(bytes)?;
            return self.arena.add(Node::Bytes(span));
        }
        if bytes.is_empty() {
            return self.builtin("bytes", &[]);
        }
        let text: String = bytes.iter().copied().map(char::from).collect();
        let args = [self.string(text.as_bytes())?, self.shared("latin1")?];
        self.reduce("_codecs", "encode", &args)
    }

    fn byte_array(&mut self, bytes: &[u8]) -> Result<Id, Reason> {
        if self.protocol >= 5 {
            let span = self.arena.store(bytes)?;
            return self.arena.add(Node::ByteArray(span));
        }
        if bytes.is_empty() {
            return self.builtin("bytearray", &[]);
        }
        let bytes = self.bytes(bytes)?;
        self.builtin("bytearray", &[bytes])
    }

    // Dates and times.

    fn date(&mut self, date: PyDate) -> Result<Id, Reason> {
        if !date.is_valid() {
            return Err("date");
        }
        let [high, low] = date.year.to_be_bytes();
        let state = self.bytes(&[high, low, date.month, date.day])?;
        self.reduce("datetime", "date", &[state])
    }

    fn date_time(&mut self, value: &PyDateTime) -> Result<Id, Reason> {
        let PyDateTime { date, time } = value;
        if !date.is_valid() || !time.is_valid() {
            return Err("date");
        }
        let [high, low] = date.year.to_be_bytes();
        let mut state = [high, low, date.month | self.fold(time), date.day, 0, 0, 0, 0, 0, 0];
        state[4..].copy_from_slice(&clock(time));
        let state = self.bytes(&state)?;
        self.with_offset("datetime", state, &time.offset)
    }

    fn time(&mut self, time: &PyTime) -> Result<Id, Reason> {
        if !time.is_valid() {
            return Err("date");
        }
        let mut state = clock(time);
        state[0] |= self.fold(time);
        let state = self.bytes(&state)?;
        self.with_offset("time", state, &time.offset)
    }

    fn fold(&self, time: &PyTime) -> u8 {
        if time.fold && self.protocol > 3 { 0x80 } else { 0 }
    }

    fn with_offset(&mut self, class: &'static str, state: Id, offset: &PyOffset) -> Result<Id, Reason> {
        let zone = match offset {
            PyOffset::None => return self.reduce("datetime", class, &[state]),
            PyOffset::Fixed(seconds) => {
                let (days, seconds) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
                let by = self.delta(PyTimeDelta { days, seconds: seconds.unsigned_abs(), microseconds: 0 })?;
                self.reduce("datetime", "timezone", &[by])?
            }
            PyOffset::Named(key) => {
                let class = self.global("zoneinfo", "ZoneInfo")?;
                let name = self.shared("_unpickle")?;
                let unpickle = self.builtin("getattr", &[class, name])?;
                let args = [self.string(key.as_bytes())?, self.arena.add(Node::Int(1))?];
                self.call(Call::Reduce, unpickle, &args, None)?
            }
        };
        self.reduce("datetime", class, &[state, zone])
    }

    fn delta(&mut self, delta: PyTimeDelta) -> Result<Id, Reason> {
        if !delta.is_valid() {
            return Err("date");
        }
        let parts = [delta.days.into(), delta.seconds.into(), delta.microseconds.into()];
        let mut args = [Id::NONE; 3];
        for (arg, part) in args.iter_mut().zip(parts) {
            *arg = self.arena.add(Node::Int(part))?;
        }
        self.reduce("datetime", "timedelta", &args)
    }

    fn uuid(&mut self, number: &[u8; 16]) -> Result<Id, Reason> {
        let mut bytes = [0; 17];
        for (to, from) in bytes.iter_mut().zip(number.iter().rev()) {
            *to = *from;
        }
        let number = self.integer(int::shortest(&bytes))?;
        let key = self.shared("int")?;
        let state = self.arena.add(Node::Dict(Pairs::from_slice(&[[key, number]])))?;
        let class = self.global("uuid", "UUID")?;
        self.call(Call::New, class, &[], Some(state))
    }

    // Names and calls.

    /// Calls a built-in class or function, under its Python 2 name below protocol 3.
    fn builtin(&mut self, name: &'static str, args: &[Id]) -> Result<Id, Reason> {
        self.reduce(if self.protocol < 3 { "__builtin__" } else { "builtins" }, name, args)
    }

    fn reduce(&mut self, module: &'static str, name: &'static str, args: &[Id]) -> Result<Id, Reason> {
        let callable = self.global(module, name)?;
        self.call(Call::Reduce, callable, args, None)
    }

    fn call(&mut self, call: Call, callable: Id, args: &[Id], state: Option<Id>) -> Result<Id, Reason> {
        let args =
            if args.is_empty() { Id::EMPTY_TUPLE } else { self.arena.add(Node::Tuple(Ids::from_slice(args)))? };
        let object = Object::new(call, callable, args, None, state);
        self.arena.add(Node::Object(Box::new(object)))
    }

    fn shared(&mut self, text: &'static str) -> Result<Id, Reason> {
        if let Some((_, id)) = self.shared.iter().find(|(known, _)| *known == text) {
            return Ok(*id);
        }
        let id = self.string(text.as_bytes())?;
        self.shared.push((text, id));
        Ok(id)
    }

    fn global(&mut self, module: &'static str, name: &'static str) -> Result<Id, Reason> {
        if let Some((.., id)) = self.globals.iter().find(|(of, known, _)| (*of, *known) == (module, name)) {
            return Ok(*id);
        }
        // As in CPython a module's name is one string, and the name within the module is another.
        let of = match self.globals.iter().find(|(of, ..)| *of == module).map(|(.., id)| self.arena.node(*id)) {
            Some(Node::Global { module, .. }) => *module,
            _ => self.string(module.as_bytes())?,
        };
        let within = self.string(name.as_bytes())?;
        let id = self.arena.add(Node::Global { module: of, name: within })?;
        self.globals.push((module, name, id));
        Ok(id)
    }
}

fn clock(time: &PyTime) -> [u8; 6] {
    let [_, high, middle, low] = time.microsecond.to_be_bytes();
    [time.hour, time.minute, time.second, high, middle, low]
}
