//! Django's form tokens: a secret in a cookie, and the same secret, masked, in the form.

use std::sync::Arc;

use subtle::ConstantTimeEq;

use crate::{
    cookie::{CookieConfig, Presented, SessionCookie, SetCookie},
    csrf::{
        TokenRefusal,
        token::{
            FormTokens,
            scheme::{Headers, Issued, TokenScheme},
        },
    },
    error::{Error, ErrorKind},
    random,
};

/// Nearly a year: Django's default.
const MAX_AGE: std::time::Duration = std::time::Duration::from_secs(31_449_600);

impl FormTokens {
    /// The tokens of a Django site: a form of a Django page can be posted to a Rust service, and the reverse. `cookie`
    /// is [`FormTokens::django_cookie`], adapted to the site's `CSRF_COOKIE_…` settings.
    ///
    /// - The cookie holds the secret; scripts may read it, to send it in the header `X-CSRFToken`. The field
    ///   `csrfmiddlewaretoken` holds it masked. The field and the header may each hold the plain or the masked secret,
    ///   and the masked cookies of Django before 4.1 are accepted too. Conflicting cookies are ignored.
    /// - Tokens are neither signed nor bound to the session. Anyone who can set a cookie for this host can make valid
    ///   tokens, so use [`CrossOrigin`](crate::csrf::CrossOrigin) too, just as Django checks the origin.
    /// - The response to a sign-in sets the cookie with a new secret.
    /// - `CSRF_USE_SESSIONS`, which keeps the secret in the session, is not supported.
    ///
    /// ```
    /// use shared_session::{SessionManager, csrf::FormTokens, store::MemoryStore};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), shared_session::Error> {
    /// let tokens = FormTokens::django(FormTokens::django_cookie())?;
    /// let manager = SessionManager::new(MemoryStore::new()).with_form_tokens(tokens);
    /// let request = manager.open([&b"csrftoken=abcdefghijklmnopqrstuvwxyzABCDEF"[..]]);
    /// request.check_form_token("abcdefghijklmnopqrstuvwxyzABCDEF").await?;
    /// request.check_form_token(request.form_token()?.as_str()).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Config`] as for [`CookieConfig::build`].
    pub fn django(cookie: CookieConfig) -> Result<Self, Error> {
        // Scripts read this cookie, to send it back in a header.
        Ok(Self(Arc::new(DjangoTokens(cookie.readable().build()?))))
    }

    /// Django's default: `csrftoken`, `SameSite=Lax`, for 364 days, on this host only. Unlike Django's it is `Secure`.
    #[must_use]
    pub fn django_cookie() -> CookieConfig {
        CookieConfig::new("csrftoken").with_max_age(Some(MAX_AGE))
    }
}

/// Tokens that belong to the browser's cookie, independent of its session.
#[derive(Debug)]
struct DjangoTokens(SessionCookie);

impl TokenScheme for DjangoTokens {
    fn with_cookie(&self, _: CookieConfig) -> Result<Arc<dyn TokenScheme>, Error> {
        Err(Error::new(ErrorKind::Config, "pass the cookie to FormTokens::django"))
    }

    fn issue(&self, cookie_headers: &mut Headers<'_, '_>, _: Option<&str>) -> Result<Issued, Error> {
        let presented = self.0.read(cookie_headers);
        match secret_of(&presented) {
            Some(secret) => Ok(Issued { token: secret.masked()?, set_cookie: None }),
            None => {
                let secret = Secret::random()?;
                let set_cookie = self.setting(&secret, &presented);
                Ok(Issued { token: secret.masked()?, set_cookie: Some(set_cookie) })
            }
        }
    }

    fn verify(&self, cookie_headers: &mut Headers<'_, '_>, _: Option<&str>, token: &str) -> Result<(), Error> {
        let token = Secret::parse(token.as_bytes()).ok_or_else(|| TokenRefusal::Missing.into_error())?;
        let secret = secret_of(&self.0.read(cookie_headers)).ok_or_else(|| TokenRefusal::NoCookie.into_error())?;
        if token.is(&secret) { Ok(()) } else { Err(TokenRefusal::Stale.into_error()) }
    }

    fn rotate(&self, cookie_headers: &mut Headers<'_, '_>) -> Result<Option<SetCookie>, Error> {
        Ok(Some(self.setting(&Secret::random()?, &self.0.read(cookie_headers))))
    }
}

impl DjangoTokens {
    fn setting(&self, secret: &Secret, presented: &Presented<'_>) -> SetCookie {
        self.0.setting(&secret.encode(), self.0.max_age(), presented.sent())
    }
}

fn secret_of(presented: &Presented<'_>) -> Option<Secret> {
    Secret::parse(presented.value()?)
}

const LEN: usize = 32;

/// A secret, as positions in the alphabet.
struct Secret([u8; LEN]);

impl Secret {
    fn random() -> Result<Self, Error> {
        random::positions().map(Self)
    }

    /// The value of a cookie, a form or a header: the secret in 32 characters, or a mask and the masked secret in 64.
    /// Cookies of Django before 4.1 are masked too.
    fn parse(text: &[u8]) -> Option<Self> {
        if text.len() == LEN {
            return positions(text).map(Self);
        }
        let (mask, cipher) = text.split_first_chunk::<LEN>()?;
        let (mask, cipher) = (positions(mask)?, positions(cipher)?);
        Some(Self(combined(&cipher, &mask, |cipher, mask| cipher + 62 - mask)))
    }

    /// The 32 characters of a cookie.
    fn encode(&self) -> String {
        self.0.into_iter().map(random::letter).collect()
    }

    /// The 64 characters of a form, with a fresh mask, so that a compressed page does not leak the secret (BREACH).
    fn masked(&self) -> Result<String, Error> {
        let mask = Self::random()?;
        let cipher = Self(combined(&self.0, &mask.0, |secret, mask| secret + mask));
        Ok(mask.encode() + &cipher.encode())
    }

    /// Compares in constant time.
    fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

fn combined(left: &[u8; LEN], right: &[u8; LEN], combine: impl Fn(u8, u8) -> u8) -> [u8; LEN] {
    let mut combined = *left;
    for (left, right) in combined.iter_mut().zip(right) {
        *left = combine(*left, *right) % 62;
    }
    combined
}

fn positions(text: &[u8]) -> Option<[u8; LEN]> {
    let mut positions: [u8; LEN] = text.try_into().ok()?;
    for byte in &mut positions {
        *byte = match *byte {
            letter @ b'a'..=b'z' => letter - b'a',
            letter @ b'A'..=b'Z' => letter - b'A' + 26,
            digit @ b'0'..=b'9' => digit - b'0' + 52,
            _ => return None,
        };
    }
    Some(positions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cookie::RequestUrl;

    /// Made by Django 5.2: a secret and its tokens.
    const FIXTURE: &str = include_str!("../../tests/fixtures/django/csrf.json");

    #[test]
    fn the_tokens_that_django_made_are_those_of_their_secret() {
        let fixture: serde_json::Value = serde_json::from_str(FIXTURE).unwrap();
        let vectors = fixture["vectors"].as_array().unwrap();
        assert!(vectors.len() >= 4);
        for vector in vectors {
            let text = |name: &str| vector[name].as_str().unwrap();
            let secret = Secret::parse(text("secret").as_bytes()).unwrap();
            assert_eq!(secret.encode(), text("secret"));
            assert!(Secret::parse(text("token").as_bytes()).unwrap().is(&secret), "{vector}");
        }
    }

    #[test]
    fn a_masked_secret_is_another_text_each_time_and_the_same_secret() {
        let secret = Secret::random().unwrap();
        let (one, two) = (secret.masked().unwrap(), secret.masked().unwrap());
        assert_ne!(one[..LEN], two[..LEN], "the masks differ");
        assert_ne!(one[LEN..], two[LEN..], "and so do the masked secrets");
        for token in [one, two] {
            assert_eq!(token.len(), 2 * LEN);
            assert!(Secret::parse(token.as_bytes()).unwrap().is(&secret));
        }
        assert!(!Secret::random().unwrap().is(&secret));
    }

    const NO_COOKIES: [&[u8]; 0] = [];
    const REFUSED: Result<(), ErrorKind> = Err(ErrorKind::StaleForm);

    fn tokens() -> FormTokens {
        FormTokens::django(FormTokens::django_cookie()).unwrap()
    }

    fn cookie(set_cookie: Option<SetCookie>) -> String {
        set_cookie.unwrap().own().split(';').next().unwrap().to_owned()
    }

    fn rotated() -> Option<SetCookie> {
        tokens().rotate(NO_COOKIES).unwrap()
    }

    fn verify(cookie: &str, token: &str) -> Result<(), ErrorKind> {
        tokens().verify([cookie.as_bytes()], Some("ignored"), token).map_err(|error| error.kind())
    }

    #[test]
    fn a_token_is_that_of_its_cookie_whatever_the_session() {
        let (mine, theirs) = (tokens().issue(NO_COOKIES, None).unwrap(), tokens().issue(NO_COOKIES, None).unwrap());
        let (my_cookie, their_cookie) = (cookie(mine.set_cookie), cookie(theirs.set_cookie));
        assert_eq!(verify(&my_cookie, &mine.token), Ok(()));
        assert_eq!(verify(&their_cookie, &mine.token), REFUSED);
        assert_eq!(verify("", &mine.token), REFUSED);
        assert_eq!(verify(&format!("{my_cookie}; {their_cookie}"), &mine.token), REFUSED);

        let again = tokens().issue([my_cookie.as_bytes()], Some("session")).unwrap();
        assert!(again.set_cookie.is_none(), "a valid cookie is kept");
        assert_ne!(again.token, mine.token);
        assert_eq!(verify(&my_cookie, &again.token), Ok(()));
    }

    #[test]
    fn a_refusal_names_the_wrong_part_token_cookie_or_page() {
        let why = |cookie: &str, token: &str| {
            tokens().verify([cookie.as_bytes()], None, token).map_err(|error| TokenRefusal::of(&error).unwrap())
        };
        let before = tokens().issue(NO_COOKIES, None).unwrap();
        assert_eq!(why("", ""), Err(TokenRefusal::Missing));
        assert_eq!(why("", &before.token), Err(TokenRefusal::NoCookie));
        assert_eq!(why(&cookie(tokens().rotate(NO_COOKIES).unwrap()), &before.token), Err(TokenRefusal::Stale));
    }

    #[test]
    fn secrets_and_masked_secrets_pass_from_either_side() {
        let fixture: serde_json::Value = serde_json::from_str(FIXTURE).unwrap();
        for vector in fixture["vectors"].as_array().unwrap() {
            let (secret, masked) = (vector["secret"].as_str().unwrap(), vector["token"].as_str().unwrap());
            for value in [secret, masked] {
                let cookie = format!("csrftoken={value}");
                for token in [secret, masked] {
                    assert_eq!(verify(&cookie, token), Ok(()), "{cookie} {token}");
                }
                let issued = tokens().issue([cookie.as_bytes()], None).unwrap();
                assert!(issued.set_cookie.is_none());
                assert_eq!(verify(&format!("csrftoken={secret}"), &issued.token), Ok(()));
            }
        }
    }

    #[test]
    fn a_change_of_any_character_is_refused() {
        let issued = tokens().issue(NO_COOKIES, None).unwrap();
        let cookie = cookie(issued.set_cookie);
        for at in 0..2 * LEN {
            let mut token = issued.token.clone().into_bytes();
            token[at] = if token[at] == b'a' { b'b' } else { b'a' };
            assert_eq!(verify(&cookie, std::str::from_utf8(&token).unwrap()), REFUSED, "{at}");
        }
    }

    #[test]
    fn a_login_ends_earlier_tokens() {
        let before = tokens().issue(NO_COOKIES, None).unwrap();
        let renewed = cookie(rotated());
        assert_ne!(renewed, cookie(before.set_cookie));
        assert_eq!(verify(&renewed, &before.token), REFUSED);
        assert_ne!(cookie(rotated()), cookie(rotated()));
        let after = tokens().issue([renewed.as_bytes()], None).unwrap();
        assert_eq!(verify(&renewed, &after.token), Ok(()));
    }

    #[test]
    fn of_conflicting_cookies_a_new_one_is_set_and_the_others_are_expired() {
        let (mine, theirs) = (cookie(rotated()), cookie(rotated()));
        let url = RequestUrl::new(Some("app.example.com"), "/login");
        let config = FormTokens::django_cookie().with_domain("example.com");
        let tokens = FormTokens::django(config).unwrap();
        let both = format!("{mine}; {theirs}");
        for set in
            [tokens.issue([both.as_bytes()], None).unwrap().set_cookie, tokens.rotate([both.as_bytes()]).unwrap()]
        {
            let headers = set.unwrap().headers(&url);
            let (last, expired) = headers.split_last().unwrap();
            assert!(last.contains("; Domain=example.com; Max-Age=31449600"), "{last}");
            assert!(expired.iter().any(|one| one == "csrftoken=; SameSite=Lax; Secure; Path=/; Max-Age=0"));
            assert!(expired.iter().all(|one| one.starts_with("csrftoken=;") && one.contains("Max-Age=0")));
        }
        let equal = format!("{mine}; {mine}");
        assert!(tokens.issue([equal.as_bytes()], None).unwrap().set_cookie.is_none(), "equal ones work");
        let renewed = tokens.rotate([equal.as_bytes()]).unwrap().unwrap();
        assert!(renewed.headers(&url).len() > 1, "and are expired when the cookie is replaced");
        let none = tokens.rotate(NO_COOKIES).unwrap().unwrap();
        assert_eq!(none.headers(&url), [none.own()], "without a cookie there is nothing to expire");
    }

    #[test]
    fn the_cookie_has_the_attributes_that_django_gives_it() {
        let shared = FormTokens::django_cookie().with_secure(false).with_domain(".example.com");
        for (config, end) in [
            (FormTokens::django_cookie(), "; SameSite=Lax; Secure; Path=/; Max-Age=31449600"),
            (shared, "; SameSite=Lax; Path=/; Domain=example.com; Max-Age=31449600"),
        ] {
            let tokens = FormTokens::django(config).unwrap();
            for set in [tokens.issue(NO_COOKIES, None).unwrap().set_cookie, tokens.rotate(NO_COOKIES).unwrap()] {
                let set = set.unwrap();
                let header = set.own();
                let value = header.strip_prefix("csrftoken=").and_then(|rest| rest.strip_suffix(end)).expect(header);
                assert!(value.len() == LEN && value.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{value}");
            }
        }
        let refused = FormTokens::django(CookieConfig::new("__Host-csrftoken").with_secure(false));
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Config);
    }

    #[test]
    fn tokens_and_cookies_are_not_printed() {
        let issued = tokens().issue(NO_COOKIES, None).unwrap();
        let printed = format!("{issued:?} {:?}", tokens());
        let secret = cookie(issued.set_cookie);
        assert!(!printed.contains(&issued.token) && !printed.contains(&secret["csrftoken=".len()..]), "{printed}");
    }

    #[test]
    fn other_lengths_and_characters_are_no_secret() {
        let long = "a".repeat(65);
        for bad in
            ["", &long[..31], &long[..33], &long[..63], &long, &format!("{}-", &long[..31]), "é".repeat(16).as_str()]
        {
            assert!(Secret::parse(bad.as_bytes()).is_none(), "{bad:?}");
        }
        assert!(Secret::parse(format!("{}{}", &long[..63], "_").as_bytes()).is_none());
        assert!(Secret::parse(format!("{}{}", "_", &long[..63]).as_bytes()).is_none());
    }
}
