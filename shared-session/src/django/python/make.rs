//! Values, or a mere check for one.

use std::collections::HashMap;

use super::value::PyValue;

/// The result of reading: [`PyValue`]s, or, if a reader only checks, nothing, without any allocation.
pub(in crate::django) trait Make: Sized {
    fn plain(value: impl FnOnce() -> PyValue) -> Self;
    fn list(items: Vec<Self>) -> Self;
    fn dict(pairs: Vec<(Self, Self)>) -> Self;
}

impl Make for () {
    fn plain(_: impl FnOnce() -> PyValue) -> Self {}
    fn list(_: Vec<Self>) -> Self {}
    fn dict(_: Vec<(Self, Self)>) -> Self {}
}

impl Make for PyValue {
    fn plain(value: impl FnOnce() -> PyValue) -> Self {
        value()
    }

    fn list(mut items: Vec<Self>) -> Self {
        items.shrink_to_fit();
        Self::List(items)
    }

    fn dict(mut pairs: Vec<(Self, Self)>) -> Self {
        keep_last(&mut pairs);
        pairs.shrink_to_fit();
        Self::Dict(pairs)
    }
}

/// The last value of each string key, at the position of the first, as in a Python dict.
fn keep_last(pairs: &mut Vec<(PyValue, PyValue)>) {
    let mut places = HashMap::with_capacity(pairs.len());
    let mut again = Vec::new();
    for (at, (key, _)) in pairs.iter().enumerate() {
        if let PyValue::Str(text) = key {
            let first = *places.entry(text).or_insert(at);
            if first != at {
                again.push((first, at));
            }
        }
    }
    for (first, at) in &again {
        if let Some((_, value)) = pairs.get_mut(*at) {
            let value = std::mem::replace(value, PyValue::None);
            if let Some(pair) = pairs.get_mut(*first) {
                pair.1 = value;
            }
        }
    }
    let mut gone = again.into_iter().map(|(_, at)| at).peekable();
    let mut at = 0;
    pairs.retain(|_| {
        let goes = gone.next_if_eq(&at).is_some();
        at += 1;
        !goes
    });
}
