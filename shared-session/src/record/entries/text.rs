//! The entries of a session as the text of a JSON object, and the position of each.

use std::ops::Range;

use bytes::Bytes;

use super::{
    scan::Scan,
    value::{Changes, Json},
};

/// The text between the braces. Names have no escapes and are in ascending order; there are no blanks between entries.
#[derive(Clone, Debug, Default)]
pub(crate) struct Text {
    text: Bytes,
    spans: Vec<Span>,
}

/// The position of an entry: `"name":value`.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    /// The position of the quote after its name.
    name_end: u32,
    end: u32,
}

/// The capacity for the entries of most sessions.
const USUAL: usize = 16;

impl Text {
    pub(crate) const fn empty() -> Self {
        Self { text: Bytes::new(), spans: Vec::new() }
    }

    /// The entries at the position of `scan` in `whole`, up to their closing brace; `None` if they do not have the form
    /// of this type, or are not JSON. The caller checks UTF-8.
    pub(crate) fn read(scan: &mut Scan<'_>, whole: &Bytes) -> Option<Self> {
        let origin = scan.at();
        let offset = |at: usize| u32::try_from(at - origin).ok();
        let mut spans = Vec::new();
        let mut last: &[u8] = &[];
        while !scan.is_before(b'}') {
            if spans.is_empty() {
                spans.reserve(USUAL);
            } else {
                scan.expect(b",")?;
            }
            let start = offset(scan.at())?;
            let name = scan.plain_string()?;
            if last >= name && !spans.is_empty() {
                return None;
            }
            last = name;
            let name_end = offset(scan.at() - 1)?;
            scan.expect(b":")?;
            scan.value()?;
            spans.push(Span { start, name_end, end: offset(scan.at())? });
        }
        Some(Self { text: whole.slice(origin..scan.at()), spans })
    }

    /// The same entries, with their text at `start` of `whole`.
    pub(crate) fn moved_to(self, whole: &Bytes, start: usize) -> Self {
        Self { text: whole.slice(start..start + self.text.len()), spans: self.spans }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    pub(crate) fn get(&self, name: &str) -> Option<Json> {
        let at = self.spans.binary_search_by(|span| self.name(span).cmp(name.as_bytes())).ok()?;
        Some(self.value(self.spans.get(at)?))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Json)> {
        // The whole text was checked to be UTF-8.
        self.spans.iter().map(|span| (std::str::from_utf8(self.name(span)).unwrap_or_default(), self.value(span)))
    }

    /// These entries with `changes` applied; `None` if the result does not have the form of this type. Unchanged
    /// entries are copied in one piece between changes.
    pub(crate) fn with(&self, changes: &Changes<'_>) -> Option<Self> {
        let more = changes.iter().map(|(name, value)| {
            let value = value.as_ref().map_or(Some(0), |value| value.text().map(<[u8]>::len));
            is_plain(name).then_some(name.len() + value? + br#","":"#.len())
        });
        let len = self.text.len() + more.sum::<Option<usize>>()?;
        u32::try_from(len).ok()?;
        let mut made =
            Making { text: Vec::with_capacity(len), spans: Vec::with_capacity(self.spans.len() + changes.len()) };
        let mut done = 0;
        for (name, value) in changes {
            let name = name.as_bytes();
            let at = self.spans.partition_point(|span| self.name(span) < name);
            made.copy(self, done..at);
            let is_there = self.spans.get(at).is_some_and(|span| self.name(span) == name);
            done = at + usize::from(is_there);
            if let Some(value) = value.as_ref().and_then(Json::text) {
                made.add(name, value);
            }
        }
        made.copy(self, done..self.spans.len());
        Some(Self { text: made.text.into(), spans: made.spans })
    }

    /// The approximate memory besides the text, in bytes.
    #[cfg(feature = "redis")]
    pub(crate) fn weight(&self) -> usize {
        self.spans.capacity() * size_of::<Span>()
    }

    fn name(&self, span: &Span) -> &[u8] {
        self.text.get(span.start as usize + 1..span.name_end as usize).unwrap_or_default()
    }

    fn value(&self, span: &Span) -> Json {
        Json::from_text(self.text.slice(span.name_end as usize + br#"":"#.len()..span.end as usize))
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Text {}

/// Whether `name` is written without escapes.
fn is_plain(name: &str) -> bool {
    name.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\')
}

/// A text under construction.
struct Making {
    text: Vec<u8>,
    spans: Vec<Span>,
}

impl Making {
    /// Copies the entries of `range` unchanged.
    fn copy(&mut self, from: &Text, range: Range<usize>) {
        let Some(spans @ [first, .., last] | spans @ [first @ last]) = from.spans.get(range) else { return };
        self.comma();
        let (before, now) = (first.start, self.len());
        self.text.extend_from_slice(from.text.get(before as usize..last.end as usize).unwrap_or_default());
        let moved = |at: u32| at - before + now;
        self.spans.extend(spans.iter().map(|span| Span {
            start: moved(span.start),
            name_end: moved(span.name_end),
            end: moved(span.end),
        }));
    }

    fn add(&mut self, name: &[u8], value: &[u8]) {
        self.comma();
        let start = self.len();
        self.text.push(b'"');
        self.text.extend_from_slice(name);
        let name_end = self.len();
        self.text.extend_from_slice(br#"":"#);
        self.text.extend_from_slice(value);
        self.spans.push(Span { start, name_end, end: self.len() });
    }

    fn comma(&mut self) {
        if !self.text.is_empty() {
            self.text.push(b',');
        }
    }

    /// The caller has checked that it fits.
    fn len(&self) -> u32 {
        u32::try_from(self.text.len()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Option<Text> {
        let whole = Bytes::from(format!("{text}}}"));
        Text::read(&mut Scan::new(&whole), &whole)
    }

    #[test]
    fn only_canonical_text_is_left_as_text() {
        for bad in [
            r#""b":1,"a":2"#,
            r#""a":1,"a":2"#,
            r#""":1,"":2"#,
            r#""a": 1"#,
            r#" "a":1"#,
            r#""a":1,"#,
            r#""\u0061":1"#,
            r#""a""#,
        ] {
            assert!(read(bad).is_none(), "{bad}");
        }
        assert!(Text::read(&mut Scan::new(br#""a":1"#), &Bytes::new()).is_none(), "it has no end");
    }

    #[test]
    fn unchanged_entries_keep_their_bytes() {
        let old = read(r#""b":[1, 2],"d":"x","f":{"a": 1}"#).unwrap();
        let set = |name: &'static str, value: &'static str| {
            (name, Some(Json::from_text(Bytes::from_static(value.as_bytes()))))
        };
        let made = |changes: Changes<'_>| String::from_utf8(old.with(&changes).unwrap().as_bytes().to_vec()).unwrap();
        assert_eq!(made(Changes::new()), r#""b":[1, 2],"d":"x","f":{"a": 1}"#);
        assert_eq!(
            made([set("a", "0"), set("d", "1"), set("g", "2")].into()),
            r#""a":0,"b":[1, 2],"d":1,"f":{"a": 1},"g":2"#
        );
        assert_eq!(made([("b", None), ("f", None)].into()), r#""d":"x""#);
        assert_eq!(made([("b", None), ("d", None), ("f", None)].into()), "");
        assert_eq!(
            made([set("c", "1"), set("e", "2"), ("z", None)].into()),
            r#""b":[1, 2],"c":1,"d":"x","e":2,"f":{"a": 1}"#
        );
        assert!(old.with(&[set("a\"", "0")].into()).is_none(), "a name with escapes");
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_plain_map(
            before in proptest::collection::btree_map("[a-dé]{0,2}", 0..99_u8, 0..6),
            changes in proptest::collection::btree_map("[a-dé]{0,2}", proptest::option::of(0..99_u8), 0..6),
        ) {
            let json = |value: &u8| Json::from_text(value.to_string().into());
            let all: Changes<'_> = before.iter().map(|(name, value)| (name.as_str(), Some(json(value)))).collect();
            let start = Text::empty().with(&all).unwrap();
            let edits: Changes<'_> = changes.iter().map(|(name, value)| (name.as_str(), value.as_ref().map(json))).collect();
            let made = start.with(&edits).unwrap();
            let mut model: BTreeMap<String, u8> = before;
            for (name, value) in changes {
                match value {
                    Some(value) => _ = model.insert(name, value),
                    None => _ = model.remove(&name),
                }
            }
            let again = read(std::str::from_utf8(made.as_bytes()).unwrap()).unwrap();
            for made in [&made, &again] {
                let found: BTreeMap<String, u8> = made.iter().map(|(name, value)| (name.to_owned(), value.decode().unwrap())).collect();
                prop_assert_eq!(&found, &model);
            }
            for name in ["", "a", "ab", "é", "z"] {
                prop_assert_eq!(made.get(name).map(|value| value.decode::<u8>().unwrap()), model.get(name).copied());
            }
        }
    }
}
