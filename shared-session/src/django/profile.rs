//! Django's sessions as a wire format.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    Django, Engine,
    document::{Document, Layout},
    head, signing,
};
use crate::{
    error::{Error, ErrorKind},
    record::{
        Profile,
        content::{Content, Form, Head, Ownership, Record},
        entries::{Entries, Json},
        id::{Handle, Secret, Token},
        lifetime::Lifetime,
        time::StoreTime,
        wire_format::{Fit, Place, Stamp, WireFormat},
    },
};

impl Profile {
    /// Uses the sessions of a Django fleet.
    #[must_use]
    pub fn django(django: Django) -> Self {
        Self(Arc::new(django))
    }
}

impl WireFormat for Django {
    fn parse_cookie(&self, value: &[u8]) -> Option<Token> {
        token(value)
    }

    fn cookie_value(&self, token: &Token) -> String {
        token.secret.as_str().to_owned()
    }

    fn new_token(&self) -> Result<Token, Error> {
        const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
        let mut key = Vec::with_capacity(32);
        while key.len() < 32 {
            let mut random = [0; 48];
            getrandom::fill(&mut random).map_err(|source| {
                Error::new(ErrorKind::Unavailable, "the operating system gave no random bytes").with_source(source)
            })?;
            // 252 is the largest multiple of 36 in a byte: higher values would favour some letters.
            let fair = random.into_iter().filter(|byte| *byte < 252);
            key.extend(fair.filter_map(|byte| ALPHABET.get(usize::from(byte % 36))).take(32 - key.len()));
        }
        token(&key).ok_or_else(|| Error::new(ErrorKind::Unavailable, "no session key could be made"))
    }

    fn place(&self, token: &Token) -> Place {
        let member = token.secret.as_str();
        Place { handle: token.handle, key: self.session_prefix() + member, other_member: Some(member.into()) }
    }

    fn place_of_member(&self, member: &str) -> Option<Place> {
        Some(self.place(&token(member.as_bytes())?))
    }

    fn place_of_handle(&self, _: &Handle) -> Option<Place> {
        None
    }

    fn session_prefix(&self) -> String {
        match self.engine {
            Engine::Cache => self.cache_key("django.contrib.sessions.cache"),
            Engine::RedisSessions if self.key_prefix.is_empty() => String::new(),
            Engine::RedisSessions => format!("{}:", self.key_prefix),
            Engine::Db | Engine::CachedDb => String::new(),
        }
    }

    fn index_key(&self, user_id: &str) -> String {
        self.cache_key("shared_session.user.") + user_id
    }

    fn throttle_prefix(&self) -> String {
        self.cache_key("shared_session.throttle.")
    }

    /// Rows need no tombstone: Django only updates existing ones.
    fn tombstone_key(&self, place: &Place) -> Option<String> {
        match self.engine {
            Engine::Cache | Engine::RedisSessions => {
                Some(self.cache_key("shared_session.ended.") + place.handle.as_str())
            }
            Engine::Db | Engine::CachedDb => None,
        }
    }

    #[cfg(feature = "redis")]
    fn says_expiry(&self) -> bool {
        false
    }

    fn may_sign_cookies(&self) -> bool {
        false
    }

    fn cookie_rolls(&self) -> bool {
        true
    }

    /// As `django.contrib.auth.login` does.
    fn sign_in_keeps_expiry(&self) -> bool {
        true
    }

    fn rotation_moves(&self) -> bool {
        true
    }

    fn decode(&self, _: &str, bytes: &Bytes, lifetime: &Lifetime, now: StoreTime) -> Result<Record, Error> {
        self.record(Document::read(&self.layout, bytes)?, bytes.clone(), lifetime, now)
    }

    fn first(&self, _: &Token, stamp: &Stamp<'_>, content: Content) -> Result<Record, Error> {
        let empty = Document::new(&self.layout);
        self.write(empty, &Entries::empty(), None, stamp, content)
    }

    fn next(
        &self,
        _: &str,
        base: &Record,
        _: Option<&Secret>,
        stamp: &Stamp<'_>,
        content: Content,
    ) -> Result<Record, Error> {
        let document =
            document(base).ok_or_else(|| Error::new(ErrorKind::Unreadable, "the record is not a session of Django"))?;
        self.write(document.clone(), &base.entries, Some(&base.head), stamp, content)
    }

    fn touched(&self, key: &str, base: &Record, head: Head, stamp: &Stamp<'_>) -> Result<Record, Error> {
        self.next(key, base, None, stamp, Content { head, entries: base.entries.clone() })
    }

    fn fit(&self, record: &Record) -> Fit {
        let Some(document) = document(record) else { return Fit::Same };
        let (found, ours) = (document.codec(), self.layout.codec());
        if found.reads(ours) {
            Fit::Same
        } else {
            Fit::OtherCodec(format!("the sessions in the store are {found}, and this service would write {ours}"))
        }
    }

    /// The time of the signature of a signed session. The signature is not checked.
    fn written(&self, bytes: &Bytes) -> Option<StoreTime> {
        match self.layout {
            Layout::Signed(..) => Some(StoreTime(signing::signed_at(bytes)?.checked_mul(1000)?)),
            Layout::Cache(_) => None,
        }
    }

    /// The prefix and version of the cache that holds a session under `key`.
    fn elsewhere(&self, key: &str) -> Option<String> {
        let (before, name) = key.split_once("django.contrib.sessions.cache")?;
        token(name.as_bytes()).filter(|_| self.engine == Engine::Cache)?;
        Some(match before.strip_suffix(':').and_then(|before| before.rsplit_once(':')) {
            Some((prefix, version)) => format!("the key prefix is {prefix:?} and the version {version}"),
            None => format!("a KEY_FUNCTION, which is not supported, puts {before:?} before the name"),
        })
    }

    /// The key identifies a session: bytes that differ just have another codec.
    fn recognizes(&self, _: &Bytes) -> bool {
        true
    }

    fn owned(&self, _: &Token, _: &Bytes) -> Option<Ownership> {
        Some(Ownership::Key)
    }

    fn check(&self, value: &Json) -> Result<(), Error> {
        value.check_floats()
    }
}

impl Django {
    fn record(&self, document: Document, bytes: Bytes, lifetime: &Lifetime, now: StoreTime) -> Result<Record, Error> {
        let head = head::read(&document, lifetime, now, self.zone.as_ref())?;
        let entries = document.entries().into_iter().filter(|(name, _)| !head::is_reserved(name)).collect();
        let entries = Entries::new(entries).ok_or_else(|| {
            Error::new(ErrorKind::Unreadable, "a session record is unreadable: an entry occurs twice")
        })?;
        let form = Form {
            // Django writes without comparing and marks no version, so any byte may differ.
            version: 0..bytes.len(),
            secret: None,
            tag: None,
            rotated: StoreTime::default(),
            previous: None,
            notes_use: false,
            unsealed: 0,
            document: Some(Arc::new(document)),
        };
        Ok(Record { head, entries, form, bytes })
    }

    /// Sets only the entries that differ, so that all others keep their bytes.
    fn write(
        &self,
        mut document: Document,
        before: &Entries,
        head_before: Option<&Head>,
        stamp: &Stamp<'_>,
        Content { head, entries }: Content,
    ) -> Result<Record, Error> {
        for (name, _) in before.iter().filter(|(name, _)| entries.get(name).is_none()) {
            document.remove(name);
        }
        for (name, value) in entries.iter().filter(|(name, value)| before.get(name).as_ref() != Some(value)) {
            if head::is_reserved(name) {
                let message = "Django reserves the name; an expiry is set with Session::set_expiry";
                return Err(Error::new(ErrorKind::Value, message).of_entry(name));
            }
            document.set(name, &value).map_err(|error| error.of_entry(name))?;
        }
        head::write(&mut document, head_before, &head, &self.auth_backend, self.zone.as_ref())?;
        let bytes = document.write(stamp.now.0 / 1000)?;
        let mut record = self.record(document, bytes, stamp.lifetime, stamp.now)?;
        record.head.limits.touched = head.limits.touched;
        Ok(record)
    }
}

/// 32 characters of `a-z0-9`, as Django makes them; Django itself accepts any 8 characters.
fn token(value: &[u8]) -> Option<Token> {
    let well_formed = value.iter().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let secret = Secret::from_text(value).filter(|_| well_formed)?;
    Some(Token { handle: Handle::of_key(&secret), secret })
}

fn document(record: &Record) -> Option<&Document> {
    record.form.document.as_ref()?.downcast_ref()
}
