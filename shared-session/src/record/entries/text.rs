//! The entries of a session as the text of a JSON object, found when they are asked for.

use std::{iter::Peekable, ops::Range};

use bytes::Bytes;

use super::{
    scan::Scan,
    value::{Changes, Json},
};

/// What stands between the braces. Names have no escapes and are in ascending order; nothing blank is between entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text(Bytes);

/// Where an entry is.
pub(crate) struct Pair<'a> {
    /// From its name to the end of its value.
    whole: Range<usize>,
    pub(crate) name: &'a [u8],
    value: Range<usize>,
}

impl Text {
    pub(crate) const fn empty() -> Self {
        Self(Bytes::new())
    }

    /// `text` must have passed [`check`].
    pub(crate) fn new(text: Bytes) -> Self {
        Self(text)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn get(&self, name: &str) -> Option<Json> {
        let pair = self.pairs().take_while(|pair| pair.name <= name.as_bytes()).last()?;
        (pair.name == name.as_bytes()).then(|| self.value(&pair))
    }

    pub(crate) fn pairs(&self) -> Pairs<'_> {
        Pairs(Scan::new(&self.0))
    }

    pub(crate) fn value(&self, pair: &Pair<'_>) -> Json {
        Json::from_text(self.0.slice(pair.value.clone()))
    }

    /// With `changes` made; `None` if that cannot be written so. What is unchanged is copied in as few pieces as there
    /// are gaps.
    pub(crate) fn with(&self, changes: &Changes) -> Option<Self> {
        let more = changes.iter().map(|(name, value)| {
            let value = value.as_ref().map_or(Some(0), |value| value.text().map(<[u8]>::len));
            is_plain(name).then_some(name.len() + value? + 4)
        });
        let mut made = Joined(Vec::with_capacity(self.0.len() + more.sum::<Option<usize>>()?));
        let mut changes = changes.iter().map(|(name, value)| (name.as_bytes(), value)).peekable();
        // What is unchanged since the last change.
        let mut run = 0..0;
        for pair in self.pairs() {
            if changes.peek().is_some_and(|(name, _)| *name <= pair.name) {
                made.push(self.0.get(run)?);
                while let Some((name, value)) = changes.next_if(|(name, _)| *name < pair.name) {
                    made.set(name, value.as_ref());
                }
                run = pair.whole.start..pair.whole.start;
                if let Some((name, value)) = changes.next_if(|(name, _)| *name == pair.name) {
                    made.set(name, value.as_ref());
                    let next = pair.whole.end + b",".len();
                    run = next..next;
                    continue;
                }
            }
            run.end = pair.whole.end;
        }
        // Behind the last entry is no comma.
        made.push(self.0.get(run).unwrap_or_default());
        finish(&mut made, &mut changes);
        Some(Self(made.0.into()))
    }
}

fn finish<'a>(made: &mut Joined, changes: &mut Peekable<impl Iterator<Item = (&'a [u8], &'a Option<Json>)>>) {
    for (name, value) in changes {
        made.set(name, value.as_ref());
    }
}

/// Where the text of the entries ends that begin at `text`; `None` if they are not as [`Text`] wants them, or no JSON.
/// UTF-8 is for the caller to check.
pub(crate) fn check(scan: &mut Scan<'_>) -> Option<Range<usize>> {
    let start = scan.at();
    let mut last: Option<&[u8]> = None;
    while !scan.clone().eat(b"}") {
        if last.is_some() {
            scan.expect(b",")?;
        }
        let name = scan.plain_string()?;
        if last.is_some_and(|last| last >= name) {
            return None;
        }
        last = Some(name);
        scan.expect(b":")?;
        scan.value()?;
    }
    Some(start..scan.at())
}

/// Whether `name` is written as it is.
fn is_plain(name: &str) -> bool {
    name.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\')
}

pub(crate) struct Pairs<'a>(Scan<'a>);

impl<'a> Iterator for Pairs<'a> {
    type Item = Pair<'a>;

    fn next(&mut self) -> Option<Pair<'a>> {
        let scan = &mut self.0;
        scan.eat(b",");
        let start = scan.at();
        let name = scan.plain_string()?;
        scan.expect(b":")?;
        let value = scan.at();
        scan.value()?;
        Some(Pair { whole: start..scan.at(), name, value: value..scan.at() })
    }
}

/// Pieces with commas between them.
struct Joined(Vec<u8>);

impl Joined {
    fn push(&mut self, piece: &[u8]) {
        if !piece.is_empty() {
            self.comma();
            self.0.extend_from_slice(piece);
        }
    }

    /// The entry `name`, unless it is removed.
    fn set(&mut self, name: &[u8], value: Option<&Json>) {
        let Some(value) = value.and_then(Json::text) else { return };
        self.comma();
        self.0.push(b'"');
        self.0.extend_from_slice(name);
        self.0.extend_from_slice(b"\":");
        self.0.extend_from_slice(value);
    }

    fn comma(&mut self) {
        if !self.0.is_empty() {
            self.0.push(b',');
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> Text {
        let whole = format!("{text}}}");
        let mut scan = Scan::new(whole.as_bytes());
        assert_eq!(check(&mut scan), Some(0..text.len()), "{text}");
        Text::new(Bytes::from(text.to_owned()))
    }

    #[test]
    fn only_what_we_write_is_left_as_text() {
        for bad in
            [r#""b":1,"a":2"#, r#""a":1,"a":2"#, r#""a": 1"#, r#" "a":1"#, r#""a":1,"#, r#""\u0061":1"#, r#""a""#]
        {
            assert_eq!(check(&mut Scan::new(format!("{bad}}}").as_bytes())), None, "{bad}");
        }
        assert_eq!(check(&mut Scan::new(br#""a":1"#)), None, "it has no end");
    }

    #[test]
    fn what_is_unchanged_stays_as_it_is() {
        let old = text(r#""b":[1, 2],"d":"x","f":{"a": 1}"#);
        let set = |name: &str, value: &'static str| {
            (name.into(), Some(Json::from_text(Bytes::from_static(value.as_bytes()))))
        };
        let made = |changes: Changes| String::from_utf8(old.with(&changes).unwrap().0.to_vec()).unwrap();
        assert_eq!(made(Changes::new()), r#""b":[1, 2],"d":"x","f":{"a": 1}"#);
        assert_eq!(
            made([set("a", "0"), set("d", "1"), set("g", "2")].into()),
            r#""a":0,"b":[1, 2],"d":1,"f":{"a": 1},"g":2"#
        );
        assert_eq!(made([("b".into(), None), ("f".into(), None)].into()), r#""d":"x""#);
        assert_eq!(made([("b".into(), None), ("d".into(), None), ("f".into(), None)].into()), "");
        assert_eq!(
            made([set("c", "1"), set("e", "2"), ("z".into(), None)].into()),
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
            let all: Changes = before.iter().map(|(name, value)| (name.as_str().into(), Some(json(value)))).collect();
            let start = Text::empty().with(&all).unwrap();
            let edits: Changes = changes.iter().map(|(name, value)| (name.as_str().into(), value.as_ref().map(json))).collect();
            let made = start.with(&edits).unwrap();
            let mut model: BTreeMap<String, u8> = before;
            for (name, value) in changes {
                match value {
                    Some(value) => _ = model.insert(name, value),
                    None => _ = model.remove(&name),
                }
            }
            let whole = [made.as_bytes(), b"}"].concat();
            prop_assert_eq!(check(&mut Scan::new(&whole)), Some(0..made.as_bytes().len()));
            let found: BTreeMap<String, u8> = made.pairs().map(|pair| (String::from_utf8(pair.name.to_vec()).unwrap(), made.value(&pair).decode().unwrap())).collect();
            prop_assert_eq!(&found, &model);
            for name in ["", "a", "ab", "é", "z"] {
                prop_assert_eq!(made.get(name).map(|value| value.decode::<u8>().unwrap()), model.get(name).copied());
            }
        }
    }
}
