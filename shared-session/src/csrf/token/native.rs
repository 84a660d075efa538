//! Tokens that are signed and not stored.

use std::sync::Arc;

use super::{
    scheme::{Headers, Issued, TokenScheme},
    signed::{NONCE, Signed},
};
use crate::{
    cookie::{CookieConfig, Presented, SessionCookie, SetCookie},
    csrf::TokenRefusal,
    error::{Error, ErrorKind},
    keys::SecretKeys,
};

const FORM: &str = "csrf-form";
const FORM_BEFORE_SESSION: &str = "csrf-form-before-session";
const COOKIE: &str = "csrf-cookie";
const DEFAULT_COOKIE: &str = "__Host-csrf";

/// Signed tokens, bound to the session or to a signed cookie.
#[derive(Clone, Debug)]
pub(super) struct Native {
    keys: SecretKeys,
    cookie: SessionCookie,
}

impl TokenScheme for Native {
    fn with_cookie(&self, cookie: CookieConfig) -> Result<Arc<dyn TokenScheme>, Error> {
        Ok(Arc::new(Self { keys: self.keys.clone(), cookie: cookie.build()? }))
    }

    fn issue(&self, cookie_headers: &mut Headers<'_, '_>, session: Option<&str>) -> Result<Issued, Error> {
        if let Some(session) = session {
            return Ok(Issued { token: self.sign(FORM, session.as_bytes())?.encode(), set_cookie: None });
        }
        let presented = self.cookie.read(cookie_headers);
        let (random, set_cookie) = match self.random_of(&presented) {
            Some(random) => (random, None),
            None => {
                let cookie = self.sign(COOKIE, &[])?;
                let max_age = self.cookie.max_age();
                (cookie.nonce, Some(self.cookie.setting(&cookie.encode(), max_age, presented.sent())))
            }
        };
        Ok(Issued { token: self.sign(FORM_BEFORE_SESSION, &random)?.encode(), set_cookie })
    }

    fn verify(&self, cookie_headers: &mut Headers<'_, '_>, session: Option<&str>, token: &str) -> Result<(), Error> {
        let token = Signed::decode(token.as_bytes()).ok_or_else(|| TokenRefusal::Missing.into_error())?;
        let valid = match session {
            Some(session) => token.is_valid(&self.keys, FORM, session.as_bytes()),
            None => {
                let random = self
                    .random_of(&self.cookie.read(cookie_headers))
                    .ok_or_else(|| TokenRefusal::NoCookie.into_error())?;
                token.is_valid(&self.keys, FORM_BEFORE_SESSION, &random)
            }
        };
        if valid { Ok(()) } else { Err(TokenRefusal::Stale.into_error()) }
    }

    fn rotate(&self, _: &mut Headers<'_, '_>) -> Result<Option<SetCookie>, Error> {
        Ok(None)
    }
}

impl Native {
    pub(super) fn new(keys: SecretKeys) -> Self {
        Self { keys, cookie: SessionCookie::host_only(DEFAULT_COOKIE) }
    }

    fn sign(&self, purpose: &str, binding: &[u8]) -> Result<Signed, Error> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|error| {
            Error::new(ErrorKind::Unavailable, "the system provides no random bytes").with_source(error)
        })?;
        Ok(Signed::new(&self.keys, purpose, binding, nonce))
    }

    fn random_of(&self, presented: &Presented<'_>) -> Option<[u8; NONCE]> {
        let cookie = Signed::decode(presented.value()?)?;
        cookie.is_valid(&self.keys, COOKIE, &[]).then_some(cookie.nonce)
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::*;
    use crate::csrf::{
        FormTokens,
        token::signed::{ENCODED_LEN, LEN, MAC},
    };

    const NAME: &str = "__Host-csrf";
    const SESSION: Option<&str> = Some("handle:hash-of-secret");
    const NO_COOKIES: [&[u8]; 0] = [];

    fn keys(fill: &str) -> SecretKeys {
        SecretKeys::new(fill.repeat(32)).unwrap()
    }

    fn tokens() -> FormTokens {
        FormTokens::new(keys("a"))
    }

    /// The `Cookie` header that a browser sends after `issued`.
    fn cookie_header(issued: &Issued) -> String {
        issued.set_cookie.as_ref().unwrap().own().split(';').next().unwrap().to_owned()
    }

    fn verify(tokens: &FormTokens, cookie: &str, session: Option<&str>, token: &str) -> Result<(), ErrorKind> {
        tokens.verify([cookie.as_bytes()], session, token).map_err(|error| error.kind())
    }

    const REFUSED: Result<(), ErrorKind> = Err(ErrorKind::StaleForm);

    #[test]
    fn a_token_of_the_session_passes_and_needs_no_cookie() {
        let issued = tokens().issue(NO_COOKIES, SESSION).unwrap();
        assert!(issued.set_cookie.is_none());
        assert!(tokens().verify(NO_COOKIES, SESSION, &issued.token).is_ok());
    }

    #[test]
    fn a_token_of_another_session_or_of_an_earlier_secret_is_refused() {
        let issued = tokens().issue(NO_COOKIES, SESSION).unwrap();
        for session in ["other:hash-of-secret", "handle:hash-of-next-secret", "handle:hash-of-secre", ""] {
            assert_eq!(verify(&tokens(), "", Some(session), &issued.token), REFUSED, "{session}");
        }
    }

    #[test]
    fn before_a_session_exists_a_token_is_bound_to_its_cookie() {
        let (mine, theirs) = (tokens().issue(NO_COOKIES, None).unwrap(), tokens().issue(NO_COOKIES, None).unwrap());
        assert_eq!(verify(&tokens(), &cookie_header(&mine), None, &mine.token), Ok(()));
        assert_eq!(verify(&tokens(), &cookie_header(&theirs), None, &mine.token), REFUSED);
        assert_eq!(verify(&tokens(), "", None, &mine.token), REFUSED);
    }

    #[test]
    fn a_token_does_not_outlive_the_start_of_a_session_nor_its_end() {
        let before = tokens().issue(NO_COOKIES, None).unwrap();
        let cookie = cookie_header(&before);
        let during = tokens().issue([cookie.as_bytes()], SESSION).unwrap();
        assert_eq!(verify(&tokens(), &cookie, SESSION, &before.token), REFUSED);
        assert_eq!(verify(&tokens(), &cookie, None, &during.token), REFUSED);
    }

    #[test]
    fn a_session_binding_equal_to_the_random_of_a_cookie_does_not_make_its_tokens_valid() {
        let random = "sixteen bytes ok";
        let cookie = Signed::new(&keys("a"), COOKIE, &[], random.as_bytes().try_into().unwrap());
        let cookie = format!("{NAME}={}", cookie.encode());
        let before = tokens().issue([cookie.as_bytes()], None).unwrap();
        assert_eq!(verify(&tokens(), &cookie, None, &before.token), Ok(()));
        assert_eq!(verify(&tokens(), &cookie, Some(random), &before.token), REFUSED);
    }

    #[test]
    fn a_valid_cookie_is_kept_and_any_other_is_replaced() {
        let first = tokens().issue(NO_COOKIES, None).unwrap();
        let cookie = cookie_header(&first);
        let second = tokens().issue([cookie.as_bytes()], None).unwrap();
        assert!(second.set_cookie.is_none());
        assert_eq!(verify(&tokens(), &cookie, None, &first.token), Ok(()));
        assert_eq!(verify(&tokens(), &cookie, None, &second.token), Ok(()));

        let planted = format!("{NAME}={}", "A".repeat(ENCODED_LEN));
        let own_token_as_cookie = format!("{NAME}={}", first.token);
        for bad in ["", &planted, &own_token_as_cookie, &cookie[..cookie.len() - 1], &format!("{cookie}; {planted}")] {
            assert!(tokens().issue([bad.as_bytes()], None).unwrap().set_cookie.is_some(), "{bad}");
            assert_eq!(verify(&tokens(), bad, None, &first.token), REFUSED, "{bad}");
        }
    }

    #[test]
    fn a_planted_cookie_that_the_keys_did_not_sign_is_refused_with_its_own_token() {
        let attacker = FormTokens::new(keys("b")).issue(NO_COOKIES, None).unwrap();
        assert_eq!(verify(&tokens(), &cookie_header(&attacker), None, &attacker.token), REFUSED);

        // The worst case: a forged cookie with a genuine token.
        let forged = Signed { nonce: [7; NONCE], mac: [0; MAC] };
        let token = Signed::new(&keys("a"), FORM_BEFORE_SESSION, &forged.nonce, [1; NONCE]).encode();
        assert_eq!(verify(&tokens(), &format!("{NAME}={}", forged.encode()), None, &token), REFUSED);
    }

    #[test]
    fn a_refusal_names_the_wrong_part_token_cookie_or_page() {
        let why = |cookie: &str, session, token: &str| {
            tokens().verify([cookie.as_bytes()], session, token).map_err(|error| TokenRefusal::of(&error).unwrap())
        };
        let before = tokens().issue(NO_COOKIES, None).unwrap();
        let cookie = cookie_header(&before);
        let during = tokens().issue(NO_COOKIES, SESSION).unwrap().token;
        for bad in ["", "x", &before.token[1..]] {
            assert_eq!(why(&cookie, None, bad), Err(TokenRefusal::Missing), "{bad}");
            assert_eq!(why(&cookie, SESSION, bad), Err(TokenRefusal::Missing), "{bad}");
        }
        assert_eq!(why("", None, &before.token), Err(TokenRefusal::NoCookie));
        assert_eq!(why(&cookie, SESSION, &before.token), Err(TokenRefusal::Stale), "signed in since");
        assert_eq!(why(&cookie, None, &during), Err(TokenRefusal::Stale), "signed out since");
        assert_eq!(why("", Some("another"), &during), Err(TokenRefusal::Stale), "signed in anew since");
    }

    #[test]
    fn every_token_is_another_one() {
        let cookie = cookie_header(&tokens().issue(NO_COOKIES, None).unwrap());
        for session in [None, SESSION] {
            let token = || tokens().issue([cookie.as_bytes()], session).unwrap().token;
            let (a, b) = (token(), token());
            assert_ne!(a[..21], b[..21], "the nonces differ");
            assert_ne!(a[22..], b[22..], "and so do the signatures");
        }
    }

    #[test]
    fn truncated_and_reencoded_tokens_are_refused() {
        use base64::engine::general_purpose::STANDARD;

        // A nonce of ones makes the two alphabets differ.
        let signed = Signed::new(&keys("a"), FORM, SESSION.unwrap().as_bytes(), [0xff; NONCE]);
        let token = signed.encode();
        assert_eq!(verify(&tokens(), "", SESSION, &token), Ok(()));
        let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        for bad in [
            String::new(),
            token[..ENCODED_LEN - 1].to_owned(),
            token[..ENCODED_LEN - 4].to_owned(),
            format!("{token}AAAA"),
            format!("{token}="),
            format!("{token} "),
            format!(" {}", &token[1..]),
            token.replacen('_', "%5F", 1),
            STANDARD.encode(&bytes),
            hex,
            "\u{e9}".repeat(ENCODED_LEN / 2),
        ] {
            assert_eq!(verify(&tokens(), "", SESSION, &bad), REFUSED, "{bad:?}");
        }
    }

    #[test]
    fn a_change_of_any_bit_of_the_token_or_the_cookie_is_refused() {
        let flip = |encoded: &str, bit: usize| {
            let mut bytes = URL_SAFE_NO_PAD.decode(encoded).unwrap();
            bytes[bit / 8] ^= 1 << (bit % 8);
            URL_SAFE_NO_PAD.encode(bytes)
        };
        let with_session = tokens().issue(NO_COOKIES, SESSION).unwrap();
        let before = tokens().issue(NO_COOKIES, None).unwrap();
        let cookie = cookie_header(&before);
        let value = cookie.split_once('=').unwrap().1;
        for bit in 0..LEN * 8 {
            assert_eq!(verify(&tokens(), "", SESSION, &flip(&with_session.token, bit)), REFUSED);
            assert_eq!(verify(&tokens(), &cookie, None, &flip(&before.token, bit)), REFUSED);
            let tampered = format!("{NAME}={}", flip(value, bit));
            assert_eq!(verify(&tokens(), &tampered, None, &before.token), REFUSED);
        }
    }

    #[test]
    fn a_fallback_key_still_verifies_tokens_and_cookies_and_a_dropped_one_does_not() {
        let old = tokens();
        let rotated = FormTokens::new(keys("b").with_fallback("a".repeat(32)).unwrap());
        let dropped = FormTokens::new(keys("b"));

        let issued = old.issue(NO_COOKIES, SESSION).unwrap();
        assert_eq!(verify(&rotated, "", SESSION, &issued.token), Ok(()));
        assert_eq!(verify(&dropped, "", SESSION, &issued.token), REFUSED);

        let before = old.issue(NO_COOKIES, None).unwrap();
        let cookie = cookie_header(&before);
        assert_eq!(verify(&rotated, &cookie, None, &before.token), Ok(()));
        assert!(rotated.issue([cookie.as_bytes()], None).unwrap().set_cookie.is_none());
        assert_eq!(verify(&dropped, &cookie, None, &before.token), REFUSED);
        assert_eq!(verify(&old, "", SESSION, &rotated.issue(NO_COOKIES, SESSION).unwrap().token), REFUSED);
    }

    #[test]
    fn the_cookie_has_the_attributes_of_its_prefix_and_no_others() {
        for (name, secure, end) in [
            ("__Host-csrf", true, "; HttpOnly; SameSite=Lax; Secure; Path=/"),
            ("csrf", false, "; HttpOnly; SameSite=Lax; Path=/"),
        ] {
            let tokens = FormTokens::new(keys("a")).with_cookie(CookieConfig::new(name).with_secure(secure)).unwrap();
            let set_cookie = tokens.issue(NO_COOKIES, None).unwrap().set_cookie.unwrap();
            let header = set_cookie.own();
            let value = header.strip_prefix(&format!("{name}=")).and_then(|rest| rest.strip_suffix(end)).unwrap();
            assert_eq!(value.len(), ENCODED_LEN);
            assert!(value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')));
        }
    }

    #[test]
    fn the_cookie_may_belong_to_a_path_unless_its_name_forbids() {
        let tokens = |name, path: &str| {
            let cookie = CookieConfig::new(name).with_path(path);
            FormTokens::new(keys("a")).with_cookie(cookie).map_err(|error| error.kind())
        };
        let cookie = tokens("csrf", "/a/b").unwrap().issue(NO_COOKIES, None).unwrap().set_cookie.unwrap();
        assert!(cookie.own().ends_with("; HttpOnly; SameSite=Lax; Secure; Path=/a/b"), "{}", cookie.own());
        for (name, path) in [
            ("__Host-csrf", "/a"),
            ("__HOST-csrf", "/a"),
            ("csrf", ""),
            ("csrf", "a"),
            ("csrf", "/a;b"),
            ("csrf", "/a\n"),
        ] {
            assert_eq!(tokens(name, path).unwrap_err(), ErrorKind::Config, "{name} {path:?}");
        }
        assert!(tokens("__Host-csrf", "/").is_ok());
    }

    #[test]
    fn a_login_needs_no_cookie_of_its_own() {
        assert!(tokens().rotate(NO_COOKIES).unwrap().is_none());
    }

    #[test]
    fn a_name_that_browsers_or_servers_drop_is_a_config_error() {
        let new = |name: &str, secure| {
            let cookie = CookieConfig::new(name).with_secure(secure);
            FormTokens::new(keys("a")).with_cookie(cookie).map_err(|error| error.kind())
        };
        for bad in ["", "a b", "a=b", "a;b", "a,b", "a\"b", "a\n", "\u{e9}"] {
            assert_eq!(new(bad, true).unwrap_err(), ErrorKind::Config, "{bad:?}");
        }
        for prefixed in ["__Host-csrf", "__host-csrf", "__Secure-csrf", "__SECURE-csrf"] {
            assert_eq!(new(prefixed, false).unwrap_err(), ErrorKind::Config, "{prefixed}");
            assert!(new(prefixed, true).is_ok());
        }
    }

    #[test]
    fn tokens_and_cookies_are_not_printed() {
        let issued = tokens().issue(NO_COOKIES, None).unwrap();
        let value = cookie_header(&issued).split_once('=').unwrap().1.to_owned();
        let printed = format!("{issued:?} {:?}", tokens());
        assert!(!printed.contains(&issued.token) && !printed.contains(&value), "{printed}");
        assert!(!printed.contains("aaaa"), "{printed}");
    }
}
