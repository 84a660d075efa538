//! Recognises Python values by their shape.

use super::{
    arena::Arena,
    node::{Call, Id, Node, Object},
};
use crate::django::python::{PyDate, PyDateTime, PyInt, PyObject, PyOffset, PyStr, PyTime, PyTimeDelta, PyValue, int};

/// The value at `id`. Recursive: the arena bounds the depth and the expanded size.
pub(super) fn value(arena: &Arena, id: Id) -> PyValue {
    let all = |items: &[Id]| items.iter().map(|item| value(arena, *item)).collect::<Vec<_>>();
    match arena.node(id) {
        Node::None => PyValue::None,
        Node::Bool(value) => PyValue::Bool(*value),
        Node::Int(number) => PyValue::Int((*number).into()),
        Node::Long(span) => PyValue::Int(PyInt::from_le_bytes(arena.bytes(*span))),
        Node::Float(float) => PyValue::Float(*float),
        Node::Str(span) => PyStr::from_bytes(arena.bytes(*span)).map_or(PyValue::None, PyValue::Str),
        Node::Bytes(span) => PyValue::Bytes(arena.bytes(*span).to_vec()),
        Node::ByteArray(span) => PyValue::ByteArray(arena.bytes(*span).to_vec()),
        Node::List(items) => PyValue::List(all(items)),
        Node::Tuple(items) => PyValue::Tuple(all(items)),
        Node::Set(items) => PyValue::Set(all(items)),
        Node::FrozenSet(items) => PyValue::FrozenSet(all(items)),
        Node::Dict(pairs) => {
            PyValue::Dict(pairs.iter().map(|[key, item]| (value(arena, *key), value(arena, *item))).collect())
        }
        Node::Global { .. } => PyValue::Object(named(arena, id, None)),
        Node::Object(object) => known(arena, object)
            .unwrap_or_else(|| PyValue::Object(named(arena, class(arena, object), subclass(arena, object)))),
    }
}

/// The callable; in protocols 0 and 1 an object's class is the first argument of `_reconstructor`.
fn class(arena: &Arena, object: &Object) -> Id {
    match (arena.global(object.callable), arena.tuple(object.args)) {
        (Some(("copyreg" | "copy_reg", "_reconstructor")), Some([class, ..])) => *class,
        _ => object.callable,
    }
}

fn named(arena: &Arena, id: Id, value: Option<PyValue>) -> PyObject {
    let (module, name) = arena.global(id).unwrap_or_default();
    PyObject { module: module.to_owned(), name: name.to_owned(), value: value.map(Box::new) }
}

/// The value of an object whose class is a known subclass of a string or a dict.
fn subclass(arena: &Arena, object: &Object) -> Option<PyValue> {
    let pairs = || object.dict().iter().map(|[key, item]| (value(arena, *key), value(arena, *item))).collect();
    match (arena.global(class(arena, object))?, arena.tuple(object.args)?) {
        // Protocols 0 and 1 have two more arguments before the string.
        (("django.utils.safestring", "SafeString" | "SafeText"), [text] | [_, _, text]) if object.state.is_none() => {
            matches!(arena.node(*text), Node::Str(_)).then(|| value(arena, *text))
        }
        (("collections", "Counter"), [counts]) => {
            matches!(arena.node(*counts), Node::Dict(_)).then(|| value(arena, *counts))
        }
        (("collections", "OrderedDict"), []) | (("collections", "defaultdict"), _) => Some(PyValue::Dict(pairs())),
        _ => None,
    }
}

/// An object of a type that [`PyValue`] supports.
fn known(arena: &Arena, object: &Object) -> Option<PyValue> {
    let (module, name) = arena.global(object.callable)?;
    let args = arena.tuple(object.args)?;
    if !object.list().is_empty() || !object.dict().is_empty() {
        return None;
    }
    if let Some(state) = object.state {
        return uuid(arena, object, state);
    }
    if object.call != Call::Reduce {
        return None;
    }
    let module = if module == "__builtin__" { "builtins" } else { module };
    match (module, name, args) {
        ("datetime", "datetime", [state, zone @ ..]) => {
            let [high, low, month, rest @ ..] = <[u8; 10]>::try_from(bytes(arena, *state)?).ok()?;
            let (day, clock) = rest.split_first()?;
            let year = u16::from_be_bytes([high, low]);
            let date = PyDate { year, month: month & 0x7f, day: *day };
            let time = time(clock.try_into().ok()?, month & 0x80 != 0, offset(arena, zone)?)?;
            date.is_valid().then_some(PyValue::DateTime(PyDateTime { date, time }))
        }
        ("datetime", "date", [state]) => {
            let [high, low, month, day] = bytes(arena, *state)?.try_into().ok()?;
            let date = PyDate { year: u16::from_be_bytes([high, low]), month, day };
            date.is_valid().then_some(PyValue::Date(date))
        }
        ("datetime", "time", [state, zone @ ..]) => {
            let mut clock: [u8; 6] = bytes(arena, *state)?.try_into().ok()?;
            let fold = clock[0] & 0x80 != 0;
            clock[0] &= 0x7f;
            time(clock, fold, offset(arena, zone)?).map(PyValue::Time)
        }
        ("datetime", "timedelta", _) => delta(arena, args).map(PyValue::TimeDelta),
        ("decimal", "Decimal", [text]) => Some(PyValue::Decimal(arena.text(*text)?.to_owned())),
        ("builtins", "complex", [re, im]) => match (arena.node(*re), arena.node(*im)) {
            (Node::Float(re), Node::Float(im)) => Some(PyValue::Complex(*re, *im)),
            _ => None,
        },
        ("builtins", "set", [items]) => list(arena, *items).map(PyValue::Set),
        ("builtins", "frozenset", [items]) => list(arena, *items).map(PyValue::FrozenSet),
        ("builtins", "bytearray", []) => Some(PyValue::ByteArray(Vec::new())),
        ("builtins", "bytearray", [state]) => bytes(arena, *state).map(PyValue::ByteArray),
        ("builtins", "bytes", []) | ("_codecs", "encode", _) => object_bytes(arena, object).map(PyValue::Bytes),
        _ => None,
    }
}

fn list(arena: &Arena, id: Id) -> Option<Vec<PyValue>> {
    match arena.node(id) {
        Node::List(items) => Some(items.iter().map(|item| value(arena, *item)).collect()),
        _ => None,
    }
}

/// `bytes`, including the form of protocols below 3: Latin-1 text that is encoded when it is loaded.
fn bytes(arena: &Arena, id: Id) -> Option<Vec<u8>> {
    match arena.node(id) {
        Node::Bytes(span) => Some(arena.bytes(*span).to_vec()),
        Node::Object(object) if object.call == Call::Reduce && object.state.is_none() => object_bytes(arena, object),
        _ => None,
    }
}

fn object_bytes(arena: &Arena, object: &Object) -> Option<Vec<u8>> {
    if !object.list().is_empty() || !object.dict().is_empty() {
        return None;
    }
    match (arena.global(object.callable)?, arena.tuple(object.args)?) {
        (("__builtin__" | "builtins", "bytes"), []) => Some(Vec::new()),
        (("_codecs", "encode"), [text, encoding]) if matches!(arena.text(*encoding)?, "latin1" | "latin-1") => {
            arena.text(*text)?.chars().map(|char| u8::try_from(char).ok()).collect()
        }
        _ => None,
    }
}

fn time(clock: [u8; 6], fold: bool, offset: PyOffset) -> Option<PyTime> {
    let [hour, minute, second, high, middle, low] = clock;
    let microsecond = u32::from_be_bytes([0, high, middle, low]);
    let time = PyTime { hour, minute, second, microsecond, fold, offset };
    time.is_valid().then_some(time)
}

fn small_int(arena: &Arena, id: Id) -> Option<i64> {
    match arena.node(id) {
        Node::Int(number) => Some(*number),
        _ => None,
    }
}

fn delta(arena: &Arena, args: &[Id]) -> Option<PyTimeDelta> {
    let [days, seconds, microseconds] = args else { return None };
    let delta = PyTimeDelta {
        days: small_int(arena, *days)?.try_into().ok()?,
        seconds: small_int(arena, *seconds)?.try_into().ok()?,
        microseconds: small_int(arena, *microseconds)?.try_into().ok()?,
    };
    delta.is_valid().then_some(delta)
}

/// The time zone in the last argument; `None` for one that [`PyOffset`] cannot express.
fn offset(arena: &Arena, zone: &[Id]) -> Option<PyOffset> {
    let zone = match zone {
        [] | [Id::NONE] => return Some(PyOffset::None),
        [zone] => match arena.node(*zone) {
            Node::Object(object) if object.call == Call::Reduce && object.state.is_none() => object,
            _ => return None,
        },
        _ => return None,
    };
    let args = arena.tuple(zone.args)?;
    match (arena.node(zone.callable), args) {
        // A `timezone` with a custom name has two arguments and stays an object.
        (Node::Global { .. }, [by]) if arena.global(zone.callable)? == ("datetime", "timezone") => {
            let Node::Object(by) = arena.node(*by) else { return None };
            if arena.global(by.callable)? != ("datetime", "timedelta") {
                return None;
            }
            let by = delta(arena, arena.tuple(by.args)?)?;
            let seconds = i64::from(by.days) * 86_400 + i64::from(by.seconds);
            (by.microseconds == 0).then_some(PyOffset::Fixed(seconds.try_into().ok()?))
        }
        // Only cached zones, because others do not compare equal after loading.
        (Node::Object(unpickle), [key, cached]) if matches!(arena.node(*cached), Node::Int(1) | Node::Bool(true)) => {
            let [class, _] = arena.tuple(unpickle.args)? else { return None };
            if arena.global(*class)? != ("zoneinfo", "ZoneInfo") {
                return None;
            }
            Some(PyOffset::Named(arena.text(*key)?.to_owned()))
        }
        _ => None,
    }
}

/// A `UUID`: an object without arguments whose state has the number as `int`.
fn uuid(arena: &Arena, object: &Object, state: Id) -> Option<PyValue> {
    let is_uuid = |id: Id| arena.global(id) == Some(("uuid", "UUID"));
    let made = match (object.call, arena.tuple(object.args)?) {
        (Call::New, []) => is_uuid(object.callable),
        // Protocols 0 and 1.
        (Call::Reduce, [class, _, Id::NONE]) => {
            matches!(arena.global(object.callable)?, ("copyreg" | "copy_reg", "_reconstructor")) && is_uuid(*class)
        }
        _ => false,
    };
    let Node::Dict(pairs) = arena.node(state) else { return None };
    let number = pairs.iter().find(|pair| arena.text(pair[0]) == Some("int")).map(|pair| arena.node(pair[1]));
    let small;
    let number = match number? {
        Node::Int(number) => {
            small = int::from_i64(*number);
            &small
        }
        Node::Long(span) => arena.bytes(*span),
        _ => return None,
    };
    if !made || int::is_negative(number) || number.get(16).is_some_and(|top| *top != 0) {
        return None;
    }
    let mut out = [0; 16];
    for (to, from) in out.iter_mut().rev().zip(number) {
        *to = *from;
    }
    (number.len() <= 17).then_some(PyValue::Uuid(out))
}
