//! Form tokens: made for the page of a request, checked in the next one, renewed by a sign-in.

use serde::Deserialize;
use shared_session::{
    Close, Ending, ErrorKind, LazySession, Outcome, SecretKeys, SessionManager,
    cookie::RequestUrl,
    csrf::{FormToken, FormTokens, PostedForm, TokenRefusal},
};

use super::{Fleet, current_user::KEY, user};

/// A browser that keeps all cookies.
#[derive(Clone, Default)]
struct Jar(Vec<(String, String)>);

impl Jar {
    fn header(&self) -> String {
        let pairs: Vec<_> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }

    fn request(&self, manager: &SessionManager) -> LazySession {
        manager.open([self.header().as_bytes()])
    }

    fn take(&mut self, outcome: &Outcome) {
        for cookie in outcome.set_cookies(&RequestUrl::new(Some("app.example.com"), "/")) {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            self.0.retain(|(known, _)| known != name);
            if !value.is_empty() {
                self.0.push((name.to_owned(), value.to_owned()));
            }
        }
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    async fn ends(&mut self, manager: &SessionManager, handle: &LazySession, ending: Ending) -> Outcome {
        let outcome = match manager.close(handle, ending) {
            Close::Done(outcome) => outcome,
            Close::Commit(commit) => manager.commit(commit).await,
        };
        self.take(&outcome);
        outcome
    }

    /// A page with a form.
    async fn page(&mut self, manager: &SessionManager) -> (FormToken, Outcome) {
        let handle = self.request(manager);
        let token = handle.form_token().unwrap();
        (token, self.ends(manager, &handle, Ending::Completed).await)
    }

    async fn signs_in(&mut self, manager: &SessionManager, id: &str) -> Outcome {
        let handle = self.request(manager);
        handle.load().await.unwrap().login_as(user(id)).unwrap();
        self.ends(manager, &handle, Ending::Completed).await
    }

    async fn check(&self, manager: &SessionManager, token: &FormToken) -> Result<(), TokenRefusal> {
        let checked = self.request(manager).check_form_token(token.as_str()).await;
        checked.map_err(|error| TokenRefusal::of(&error).unwrap())
    }
}

fn native(fleet: &Fleet) -> SessionManager {
    fleet.manager.clone().with_form_tokens(FormTokens::new(SecretKeys::new(KEY).unwrap()))
}

fn django(fleet: &Fleet) -> SessionManager {
    fleet.manager.clone().with_form_tokens(FormTokens::django(FormTokens::django_cookie()).unwrap())
}

#[tokio::test]
async fn a_token_ends_with_the_cookie_it_was_made_under() {
    let fleet = Fleet::new();
    for manager in [native(&fleet), django(&fleet)] {
        let mut jar = Jar::default();
        let (before, _) = jar.page(&manager).await;
        assert_eq!(jar.check(&manager, &before).await, Ok(()));
        assert_eq!(Jar::default().check(&manager, &before).await, Err(TokenRefusal::NoCookie));
        jar.signs_in(&manager, "1").await;
        assert_eq!(jar.check(&manager, &before).await, Err(TokenRefusal::Stale));
        let (during, outcome) = jar.page(&manager).await;
        assert!(outcome.set_cookies(&RequestUrl::default()).is_empty());
        assert_eq!(jar.check(&manager, &during).await, Ok(()));
        jar.signs_in(&manager, "1").await;
        for old in [&before, &during] {
            assert_eq!(jar.check(&manager, old).await, Err(TokenRefusal::Stale));
        }
    }
}

#[tokio::test]
async fn a_page_may_begin_the_session_that_its_form_is_sent_in() {
    let fleet = Fleet::new();
    for manager in [native(&fleet), django(&fleet)] {
        let mut jar = Jar::default();
        let handle = jar.request(&manager);
        let token = handle.form_token().unwrap();
        handle.load().await.unwrap().insert("visits", &1).unwrap();
        let outcome = jar.ends(&manager, &handle, Ending::Completed).await;
        assert_eq!(outcome.set_cookies(&RequestUrl::default()).len(), 2, "the session and the form");
        assert_eq!(jar.check(&manager, &token).await, Ok(()));
        assert!(jar.value("sid").is_some());
        jar.signs_in(&manager, "1").await;
        assert_eq!(jar.check(&manager, &token).await, Err(TokenRefusal::Stale), "signed in since");
    }
}

#[tokio::test]
async fn a_token_from_before_the_session_costs_a_load_and_an_outage_is_not_an_old_page() {
    let fleet = Fleet::new();
    let manager = native(&fleet);
    let mut jar = Jar::default();
    let (before, _) = jar.page(&manager).await;
    let handle = jar.request(&manager);
    handle.load().await.unwrap().insert("a", &1).unwrap();
    jar.ends(&manager, &handle, Ending::Completed).await;
    let (during, _) = jar.page(&manager).await;
    fleet.store.take_calls();
    assert_eq!(jar.check(&manager, &during).await, Ok(()));
    assert!(!fleet.store.take_calls().contains(&"load"));
    assert_eq!(jar.check(&manager, &before).await, Ok(()));
    assert!(fleet.store.take_calls().contains(&"load"));
    fleet.faults().fail_next("load", shared_session::testing::Fault::Refused);
    let error = jar.request(&manager).check_form_token(before.as_str()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    fleet.faults().fail_next("load", shared_session::testing::Fault::Refused);
    let body = format!("csrfmiddlewaretoken={before}");
    let posted = PostedForm::new(Some(b"application/x-www-form-urlencoded"), None, body.as_bytes());
    let refused = jar.request(&manager).protected_form::<std::collections::BTreeMap<String, String>>(posted).await;
    let refused = refused.unwrap_err();
    assert_eq!((refused.error.kind(), refused.fields), (ErrorKind::Unavailable, None), "there is no form to show");
}

#[tokio::test]
async fn a_forged_token_is_refused_in_an_anonymous_session_too() {
    let fleet = Fleet::new();
    for manager in [native(&fleet), django(&fleet)] {
        let mut jar = Jar::default();
        let handle = jar.request(&manager);
        handle.form_token().unwrap();
        handle.load().await.unwrap().insert("a", &1).unwrap();
        jar.ends(&manager, &handle, Ending::Completed).await;
        let mut other = Jar::default();
        let (another_s, _) = other.page(&manager).await;
        assert_eq!(jar.check(&manager, &another_s).await, Err(TokenRefusal::Stale));
        let error = jar.request(&manager).check_form_token("forged").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StaleForm);
        assert_eq!(jar.request(&manager).load().await.unwrap().get::<u8>("a").unwrap(), Some(1));
    }
}

#[tokio::test]
async fn a_token_is_for_the_cookie_that_the_handler_has_just_made() {
    let fleet = Fleet::new();
    let manager = native(&fleet);
    let mut jar = Jar::default();
    let handle = jar.request(&manager);
    let session = handle.load().await.unwrap();
    session.login_as(user("1")).unwrap();
    session.commit().await.unwrap();
    let token = handle.form_token().unwrap();
    jar.ends(&manager, &handle, Ending::Completed).await;
    assert_eq!(jar.check(&manager, &token).await, Ok(()));
}

#[tokio::test]
async fn the_cookie_of_tokens_may_come_in_a_header_of_its_own() {
    let fleet = Fleet::new();
    let manager = native(&fleet);
    let mut jar = Jar::default();
    let (token, _) = jar.page(&manager).await;
    let header = jar.header();
    for headers in [["a=1", &header], [&header, "a=1"]] {
        let request = manager.open(headers.map(str::as_bytes));
        request.check_form_token(token.as_str()).await.unwrap();
    }
}

#[tokio::test]
async fn no_sign_in_forgets_to_renew_the_tokens_of_django() {
    let fleet = Fleet::new();
    let manager = django(&fleet);
    let mut jar = Jar::default();
    jar.page(&manager).await;
    let secret = |jar: &Jar| jar.value("csrftoken").unwrap().to_owned();

    let first = secret(&jar);
    jar.signs_in(&manager, "1").await;
    let second = secret(&jar);
    assert_ne!(first, second, "a sign-in renews them");

    let handle = jar.request(&manager);
    let session = handle.load().await.unwrap();
    session.login_as(user("1")).unwrap();
    session.commit().await.unwrap();
    jar.ends(&manager, &handle, Ending::Failed).await;
    let third = secret(&jar);
    assert_ne!(second, third, "and a committed sign-in, whatever happens then");

    let handle = jar.request(&manager);
    handle.load().await.unwrap().login_as(user("2")).unwrap();
    jar.ends(&manager, &handle, Ending::Failed).await;
    assert_eq!(secret(&jar), third, "a failed sign-in does not");
    for edit in ["insert", "rotate", "logout"] {
        let handle = jar.request(&manager);
        let session = handle.load().await.unwrap();
        match edit {
            "insert" => session.insert("a", &1).unwrap(),
            "rotate" => session.rotate().unwrap(),
            _ => session.logout().unwrap(),
        }
        jar.ends(&manager, &handle, Ending::Completed).await;
        assert_eq!(secret(&jar), third, "{edit}, as in Django");
    }
}

#[tokio::test]
async fn a_request_has_one_token_and_its_page_is_one_visitors() {
    let fleet = Fleet::new();
    let manager = native(&fleet);
    let mut jar = Jar::default();
    let handle = jar.request(&manager);
    assert_eq!(handle.form_token().unwrap(), handle.form_token().unwrap());
    let outcome = jar.ends(&manager, &handle, Ending::Completed).await;
    assert_eq!(outcome.vary([]), Some("Cookie"));
    assert_eq!(outcome.cache_control(true), Some("no-store"), "it sets a cookie");
    assert_eq!(outcome.set_cookie(), None, "no session begins");
    let cookies = outcome.set_cookies(&RequestUrl::default());
    assert!(cookies.len() == 1 && cookies[0].starts_with("__Host-csrf="), "{cookies:?}");

    let (_, outcome) = jar.page(&manager).await;
    assert_eq!(outcome.vary([]), Some("Cookie"));
    assert_eq!((outcome.cache_control(false), outcome.cache_control(true)), (Some("private"), None));
    assert!(fleet.store.take_calls().is_empty(), "no I/O");
    assert_eq!(handle.form_token().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(fleet.manager.open([]).form_token().unwrap_err().kind(), ErrorKind::Config);
    assert_eq!(jar.request(&manager).reopen().form_token().unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn a_form_is_taken_with_its_token_and_given_back_without() {
    #[derive(Debug, Deserialize, PartialEq)]
    struct Comment {
        text: String,
    }
    let fleet = Fleet::new();
    let manager = native(&fleet);
    let mut jar = Jar::default();
    let (token, _) = jar.page(&manager).await;
    let (right, wrong) = (format!("csrfmiddlewaretoken={token}&text=hi"), "csrfmiddlewaretoken=x&text=hi");
    let comment = Comment { text: "hi".into() };
    for (content_type, header, body, error, has_fields) in [
        ("application/x-www-form-urlencoded", None, &*right, None, true),
        ("application/x-www-form-urlencoded", Some(token.as_str()), "text=hi", None, true),
        ("application/x-www-form-urlencoded", None, wrong, Some(ErrorKind::StaleForm), true),
        ("application/x-www-form-urlencoded", None, "text=hi", Some(ErrorKind::StaleForm), true),
        ("application/x-www-form-urlencoded", Some(token.as_str()), wrong, Some(ErrorKind::StaleForm), true),
        ("application/x-www-form-urlencoded", None, "none=hi", Some(ErrorKind::StaleForm), false),
        ("application/x-www-form-urlencoded", Some(token.as_str()), "none=hi", Some(ErrorKind::MalformedForm), false),
        ("text/plain", None, &*right, Some(ErrorKind::NotAForm), false),
    ] {
        let posted = PostedForm::new(Some(content_type.as_bytes()), header.map(str::as_bytes), body.as_bytes());
        let (kind, fields) = match jar.request(&manager).protected_form(posted).await {
            Ok(fields) => (None, Some(fields)),
            Err(refused) => (Some(refused.error.kind()), refused.fields),
        };
        assert_eq!((kind, fields.as_ref()), (error, has_fields.then_some(&comment)), "{content_type} {body}");
    }
}

#[tokio::test]
async fn a_page_may_begin_a_session_in_a_browser_whose_last_one_has_expired() {
    let fleet = Fleet::new();
    for manager in [native(&fleet), django(&fleet)] {
        let mut jar = Jar::default();
        let mut tokens = Vec::new();
        for _ in 0..2 {
            let handle = jar.request(&manager);
            let session = handle.load().await.unwrap();
            tokens.push(handle.form_token().unwrap());
            session.insert("visits", &1).unwrap();
            jar.ends(&manager, &handle, Ending::Completed).await;
            fleet.memory.advance(super::IDLE);
        }
        assert_eq!(jar.check(&manager, &tokens[1]).await, Ok(()));
        jar.signs_in(&manager, "1").await;
        assert_eq!(jar.check(&manager, &tokens[1]).await, Err(TokenRefusal::Stale), "signed in since");
    }
}

#[tokio::test]
async fn a_page_that_signs_out_may_hold_the_form_of_the_next_sign_in() {
    let fleet = Fleet::new();
    for manager in [native(&fleet), django(&fleet)] {
        for commits in [false, true] {
            let mut jar = Jar::default();
            jar.signs_in(&manager, "1").await;
            let handle = jar.request(&manager);
            let session = handle.load().await.unwrap();
            session.logout().unwrap();
            if commits {
                session.commit().await.unwrap();
            }
            let token = handle.form_token().unwrap();
            jar.ends(&manager, &handle, Ending::Completed).await;
            assert_eq!(jar.check(&manager, &token).await, Ok(()), "{commits}");
        }
    }
}
