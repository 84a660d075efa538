//! JSON text from a pickle's values.

use super::{
    arena::Arena,
    node::{Id, Node},
};
use crate::django::python::int;

/// Appends the value as JSON; returns false if JSON cannot represent it: another type, a lone surrogate, infinity, a
/// key that is not a string. Recursive: the arena bounds the depth and the expanded size.
pub(super) fn write(arena: &Arena, id: Id, out: &mut Vec<u8>) -> bool {
    match arena.node(id) {
        Node::None => out.extend_from_slice(b"null"),
        Node::Bool(true) => out.extend_from_slice(b"true"),
        Node::Bool(false) => out.extend_from_slice(b"false"),
        Node::Int(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Node::Long(span) => out.extend_from_slice(int::to_decimal(arena.bytes(*span)).as_bytes()),
        // `Debug` keeps the point or exponent that makes the number a float again.
        Node::Float(float) if float.is_finite() => out.extend_from_slice(format!("{float:?}").as_bytes()),
        Node::Str(_) => return string(arena, id, out),
        Node::List(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                if !write(arena, *item, out) {
                    return false;
                }
            }
            out.push(b']');
        }
        Node::Dict(pairs) => {
            out.push(b'{');
            for (index, [key, value]) in pairs.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                if !string(arena, *key, out) {
                    return false;
                }
                out.push(b':');
                if !write(arena, *value, out) {
                    return false;
                }
            }
            out.push(b'}');
        }
        _ => return false,
    }
    true
}

fn string(arena: &Arena, id: Id, out: &mut Vec<u8>) -> bool {
    arena.text(id).is_some_and(|text| serde_json::to_writer(out, text).is_ok())
}
