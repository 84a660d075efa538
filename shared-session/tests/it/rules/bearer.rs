//! Bearer tokens: the same session without a cookie, and never both at once.

use shared_session::{
    Close, Ending, Error, ErrorKind, LazySession, Outcome, Profile, Rejected, SecretKeys, Session, SessionManager,
    cookie::{RequestUrl, SignedCookies},
    csrf::FormTokens,
    django::Django,
    testing::Fault,
};

use super::{Browser, Fleet, current_user::fleet_with_users, kind, user};

const KEY: &str = "a secret key of at least thirty-two bytes";

fn fleet() -> Fleet {
    with(&Fleet::new(), SessionManager::with_bearer_tokens)
}

fn with(fleet: &Fleet, change: impl FnOnce(SessionManager) -> SessionManager) -> Fleet {
    Fleet { manager: change(fleet.manager.clone()), store: fleet.store.clone(), memory: fleet.memory.clone() }
}

/// The values of the `Authorization` and of the `Cookie` headers.
type Headers<'a> = (&'a [&'a str], &'a [&'a str]);

fn open(fleet: &Fleet, method: &str, (authorization, cookies): Headers<'_>) -> LazySession {
    fleet.manager.open_request(method, |name| {
        let values = match name {
            "authorization" => authorization,
            "cookie" => cookies,
            other => panic!("the session does not need {other}"),
        };
        values.iter().map(|value| value.as_bytes())
    })
}

/// A client that keeps the token of its responses.
#[derive(Clone, Default)]
struct Client(Option<String>);

impl Client {
    fn authorization(&self) -> Option<String> {
        self.0.as_ref().map(|token| format!("Bearer {token}"))
    }

    fn open(&self, fleet: &Fleet, method: &str) -> LazySession {
        open(fleet, method, (self.authorization().as_deref().as_slice(), &[]))
    }

    async fn sends(&mut self, fleet: &Fleet, edit: impl FnOnce(&Session)) -> Outcome {
        let request = self.open(fleet, "POST");
        edit(&request.load().await.unwrap());
        let outcome = fleet.finish(&request).await;
        assert_no_cookie(&outcome);
        if let Some(token) = outcome.bearer_token() {
            self.0 = Some(token.to_owned());
        }
        outcome
    }

    async fn signed_in(fleet: &Fleet, id: &str) -> Self {
        let mut client = Self::default();
        let outcome = client
            .sends(fleet, |session| {
                session.login_as(user(id)).unwrap();
                session.answer_with_bearer().unwrap();
            })
            .await;
        assert_eq!(outcome.cache_control(true), Some("no-store"));
        client
    }

    async fn user_id(&self, fleet: &Fleet) -> Option<String> {
        let session = self.open(fleet, "GET").load().await.unwrap();
        session.identity().unwrap().map(|identity| identity.user_id)
    }

    /// The same value in a browser's cookie.
    fn as_browser(&self) -> Browser {
        Browser(self.0.as_ref().map(|token| format!("sid={token}")))
    }
}

#[track_caller]
fn assert_no_cookie(outcome: &Outcome) {
    assert_eq!(outcome.set_cookies(&RequestUrl::new(Some("app.example"), "/")), Vec::<String>::new());
}

#[tokio::test]
async fn a_client_signs_in_reads_writes_rotates_and_signs_out_without_a_cookie() {
    let fleet = fleet();
    let mut client = Client::signed_in(&fleet, "1").await;
    assert_eq!(client.user_id(&fleet).await.as_deref(), Some("1"));
    let written = client.sends(&fleet, |session| session.insert("a", &1).unwrap()).await;
    assert_eq!((written.bearer_token(), written.cache_control(false)), (None, Some("private")));
    let late = client.clone();
    for rotation in
        [|session: &Session| session.rotate().unwrap(), |session: &Session| session.login_as(user("1")).unwrap()]
    {
        let before = client.clone();
        client.sends(&fleet, rotation).await;
        assert_ne!(client.0, before.0);
        assert_eq!(before.user_id(&fleet).await, None, "the old token is invalid at once");
    }
    assert_eq!(late.user_id(&fleet).await, None);
    let ended = client.sends(&fleet, |session| session.logout().unwrap()).await;
    assert!(ended.error().is_none() && ended.bearer_token().is_none());
    assert_eq!((client.user_id(&fleet).await, fleet.memory.len()), (None, 0));
}

#[tokio::test]
async fn it_is_the_session_that_a_cookie_opens_listed_and_revoked_like_any() {
    let fleet = fleet();
    let mut client = Client::signed_in(&fleet, "1").await;
    let mut browser = client.as_browser();
    client.sends(&fleet, |session| session.insert("by", "token").unwrap()).await;
    assert_eq!(fleet.get(&browser, "by").await, Some("token".into()));
    fleet.serve(&mut browser, |session| session.insert("by", "cookie").unwrap()).await;
    let session = client.open(&fleet, "GET").load().await.unwrap();
    assert_eq!(session.get::<String>("by").unwrap().as_deref(), Some("cookie"));
    assert!(session.handle().is_some_and(|handle| handle == browser.handle()));

    let listed = fleet.manager.sessions_of("1").await.unwrap();
    assert_eq!(listed.iter().map(|session| session.handle).collect::<Vec<_>>(), [browser.handle()]);
    assert!(fleet.manager.revoke(Some("1"), &browser.handle()).await.unwrap());
    assert_eq!(client.user_id(&fleet).await, None);
}

#[tokio::test]
async fn a_token_and_a_cookie_at_once_are_refused_without_a_store_call() {
    let fleet = fleet();
    let client = Client::signed_in(&fleet, "1").await;
    let mut victim = Browser::default();
    fleet.serve(&mut victim, |session| session.login_as(user("2")).unwrap()).await;
    let (token, cookie) = (client.authorization().unwrap(), victim.0.clone().unwrap());
    fleet.store.take_calls();
    let (token, cookie) = (token.as_str(), cookie.as_str());
    let twins = format!("{cookie}; sid={}", "A".repeat(56));
    for headers in [
        (&[token][..], &[cookie][..]),
        (&[token], &["sid=made-up"]),
        (&[token], &["sid="]),
        (&[token], &["theme=dark", cookie]),
        (&[token], &[&twins]),
        (&["Bearer"], &[cookie]),
        (&["bearer made-up"], &[cookie]),
        (&[token, token], &[]),
        (&[token, "Basic eDp5"], &[]),
        (&["Basic eDp5", token], &[cookie]),
    ] {
        let request = open(&fleet, "POST", headers);
        let error = request.load().await.unwrap_err();
        assert_eq!((error.kind(), error.kind().status()), (ErrorKind::AmbiguousCredentials, 400), "{headers:?}");
        assert_eq!(request.check_form_token("").await.unwrap_err().kind(), ErrorKind::Config);
        // Regardless of how the handler treats the error.
        let outcome = fleet.finish(&request).await;
        assert_eq!((kind(&outcome), outcome.bearer_token()), (Some(ErrorKind::AmbiguousCredentials), None));
        assert_eq!(outcome.cache_control(false), None);
        assert_eq!(outcome.vary([]), Some("Cookie, Authorization"));
        assert_no_cookie(&outcome);
        let (reply, _) = request.answer(outcome.error(), None, "POST", "/").unwrap();
        let challenge = r#"Bearer realm="session", error="invalid_request""#.to_owned();
        assert!(reply.status == 400 && reply.headers.contains(&("www-authenticate", challenge)), "{reply:?}");
        assert!(!reply.body.contains("sid"), "{reply:?}");
        // A route that does not use the session still works.
        assert!(fleet.finish(&open(&fleet, "POST", headers)).await.error().is_none());
    }
    assert!(fleet.store.take_calls().iter().all(|call| *call == "time"));
    assert_eq!(fleet.user_id(&victim).await.as_deref(), Some("2"));
    assert_eq!(client.user_id(&fleet).await.as_deref(), Some("1"));
    // Other cookies do not matter.
    let session = open(&fleet, "GET", (&[token], &["theme=dark; sidd=1"])).load().await.unwrap();
    assert_eq!(session.identity().unwrap().map(|user| user.user_id).as_deref(), Some("1"));
}

#[tokio::test]
async fn no_malformed_header_reaches_the_store_and_a_write_under_it_starts_a_session_of_its_own() {
    let fleet = fleet();
    let client = Client::signed_in(&fleet, "1").await;
    let token = client.0.clone().unwrap();
    fleet.store.take_calls();
    let long = "A".repeat(100_000);
    for header in [
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        format!("Bearer  {token}"),
        format!("Bearer\t{token}"),
        format!("Bearer {token} "),
        format!("Bearer {token}="),
        format!("Bearer {token}, Bearer {token}"),
        format!("Bearer \"{token}\""),
        format!("Bearer token=\"{token}\""),
        format!("Bearer {}", &token[1..]),
        format!("Bearer {token}{token}"),
        format!("Bearer {long}"),
        format!("Bearer {}\u{e9}", &token[2..]),
        format!("Bearer {}", token.replacen(&token[..1], "%41", 1)),
    ] {
        let session = open(&fleet, "GET", (&[&header], &[])).load().await.unwrap();
        assert!(session.identity().unwrap().is_none() && session.handle().is_none(), "{header:.80}");
        assert!(fleet.store.take_calls().is_empty(), "{header:.80}");
    }
    // Other authorization schemes are ignored, and the cookie counts.
    let cookie = client.as_browser().0.unwrap();
    for other in ["Basic eDp5", "Digest username=x", "", "Bearer,x", &format!("Basic x, Bearer {token}"), &token] {
        let session = open(&fleet, "GET", (&[other], &[&cookie])).load().await.unwrap();
        assert!(session.identity().unwrap().is_some(), "{other:.20}");
        assert!(open(&fleet, "GET", (&[other], &[])).load().await.unwrap().handle().is_none());
    }
    for made_up in ["B".repeat(56), "malformed".to_owned(), format!("{}{}", &token[..24], "A".repeat(32))] {
        let mut stranger = Client(Some(made_up.clone()));
        stranger.sends(&fleet, |session| session.insert("a", &1).unwrap()).await;
        assert_ne!(stranger.0, Some(made_up), "it is never adopted, and the client gets its own");
        assert_ne!(stranger.0.unwrap()[..24], token[..24]);
    }
    assert_eq!(client.user_id(&fleet).await.as_deref(), Some("1"));
}

#[tokio::test]
async fn only_the_authorization_header_is_read_and_only_where_it_is_told() {
    let off = Fleet::new();
    let on = with(&off, SessionManager::with_bearer_tokens);
    let client = Client::signed_in(&on, "1").await;
    let authorization = client.authorization().unwrap();
    let request = open(&off, "GET", (&[&authorization], &[]));
    assert!(request.load().await.unwrap().identity().unwrap().is_none());
    assert_eq!(off.finish(&request).await.vary([]), Some("Cookie"));
    let session = off.request(&Browser::default()).load().await.unwrap();
    assert_eq!(session.answer_with_bearer().unwrap_err().kind(), ErrorKind::Config);
    let both = open(&off, "GET", (&[&authorization], &[&client.as_browser().0.unwrap()]));
    assert!(both.load().await.unwrap().identity().unwrap().is_some(), "the header is not for the session");
}

/// The attack: the attacker knows a token before a user signs in under it.
#[tokio::test]
async fn a_planted_token_is_dead_after_the_sign_in_and_ends_nothing() {
    let fleet = fleet();
    let mut planted = Client::default();
    planted
        .sends(&fleet, |session| {
            session.insert("a", &1).unwrap();
            session.answer_with_bearer().unwrap();
        })
        .await;
    let mut victim = planted.clone();
    victim.sends(&fleet, |session| session.login_as(user("1")).unwrap()).await;
    let mut by_cookie = planted.as_browser();
    assert_eq!(planted.user_id(&fleet).await, None);
    assert_eq!(fleet.user_id(&by_cookie).await, None);
    let end = planted.sends(&fleet, |session| session.logout().unwrap()).await;
    assert_eq!(kind(&end), Some(ErrorKind::Stale));
    assert_eq!(kind(&fleet.serve(&mut by_cookie, |session| session.logout().unwrap()).await), Some(ErrorKind::Stale));
    assert_eq!(victim.user_id(&fleet).await.as_deref(), Some("1"));

    // A planted cookie does not become a token either.
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    let request = open(&fleet, "POST", (&[], &[browser.0.as_deref().unwrap()]));
    let session = request.load().await.unwrap();
    session.login_as(user("1")).unwrap();
    assert_eq!(session.answer_with_bearer().unwrap_err().kind(), ErrorKind::AmbiguousCredentials);
    let outcome = fleet.finish(&request).await;
    assert!(outcome.set_cookie().is_some() && outcome.bearer_token().is_none(), "its scripts get no token");
}

#[tokio::test]
async fn an_answer_that_depends_on_the_session_says_so_of_both_forms() {
    let fleet = fleet();
    let client = Client::signed_in(&fleet, "1").await;
    let (token, cookie) = (client.authorization().unwrap(), client.as_browser().0.unwrap());
    for headers in [(&[token.as_str()][..], &[][..]), (&[], &[cookie.as_str()]), (&[], &[])] {
        let untouched = open(&fleet, "GET", headers);
        assert_eq!(fleet.finish(&untouched).await.vary([]), None, "it depends on neither");
        let request = open(&fleet, "GET", headers);
        request.load().await.unwrap();
        let outcome = fleet.finish(&request).await;
        for (own, added) in [
            (vec![], Some("Cookie, Authorization")),
            (vec!["Accept"], Some("Cookie, Authorization")),
            (vec!["cookie"], Some("Authorization")),
            (vec!["Accept, AUTHORIZATION"], Some("Cookie")),
            (vec!["Cookie", "Authorization"], None),
            (vec!["*"], None),
        ] {
            assert_eq!(outcome.vary(own.iter().map(|value| value.as_bytes())), added, "{own:?}");
        }
    }
}

#[tokio::test]
async fn a_signed_token_works_and_one_without_its_tag_reaches_no_store() {
    let signed = SignedCookies::new(&SecretKeys::new(KEY).unwrap()).unwrap();
    let fleet = with(&fleet(), |manager| manager.with_signed_cookies(signed).unwrap());
    let mut client = Client::signed_in(&fleet, "1").await;
    assert_eq!(client.0.as_ref().map(String::len), Some(78));
    assert_eq!(client.user_id(&fleet).await.as_deref(), Some("1"));
    client.sends(&fleet, |session| session.rotate().unwrap()).await;
    assert_eq!(fleet.user_id(&client.as_browser()).await.as_deref(), Some("1"));
    fleet.store.take_calls();
    let cut = Client(client.0.map(|token| token[..56].to_owned()));
    assert_eq!((cut.user_id(&fleet).await, fleet.store.take_calls()), (None, vec![]));
}

#[tokio::test]
async fn in_a_django_profile_the_token_is_the_key_of_the_session() {
    let fleet = with(&fleet(), |manager| manager.with_profile(Profile::django(Django::cache())));
    let mut client = Client::signed_in(&fleet, "1").await;
    assert_eq!(client.0.as_ref().map(String::len), Some(32));
    client.sends(&fleet, |session| session.rotate().unwrap()).await;
    assert_eq!(client.user_id(&fleet).await.as_deref(), Some("1"));
    assert_eq!(fleet.user_id(&client.as_browser()).await.as_deref(), Some("1"));
}

#[tokio::test]
async fn only_a_request_without_any_cookie_needs_no_form_token_and_no_answer_sets_its_cookie() {
    let tokens = FormTokens::new(SecretKeys::new(KEY).unwrap());
    let fleet = with(&fleet(), |manager| manager.with_form_tokens(tokens));
    let client = Client::signed_in(&fleet, "1").await;
    let token = client.authorization().unwrap();
    let check =
        async |headers: Headers<'_>| open(&fleet, "POST", headers).check_form_token("").await.map_err(|e| e.kind());
    assert_eq!(check((&[&token], &[])).await, Ok(()));
    assert_eq!(check((&["Bearer made-up"], &[])).await, Ok(()), "no browser sends this by itself");
    for refused in
        [(&[token.as_str()][..], &["theme=dark"][..]), (&[&token], &[""]), (&[], &[]), (&["Basic eDp5"], &[])]
    {
        assert_eq!(check(refused).await, Err(ErrorKind::StaleForm), "{refused:?}");
    }
    let cookie = client.as_browser().0.unwrap();
    assert_eq!(check((&[&token], &[&cookie])).await, Err(ErrorKind::AmbiguousCredentials));

    for page in [client.open(&fleet, "GET"), open(&fleet, "GET", (&["Bearer made-up"], &[]))] {
        page.form_token().unwrap();
        let outcome = fleet.finish(&page).await;
        assert_no_cookie(&outcome);
        assert_eq!(outcome.cache_control(false), Some("private"));
    }
    // Django's form tokens have a cookie that a sign-in renews.
    let django = FormTokens::django(FormTokens::django_cookie()).unwrap();
    let fleet = with(&fleet, |manager| manager.with_form_tokens(django));
    Client::signed_in(&fleet, "1").await;
}

#[tokio::test]
async fn an_outage_and_a_failed_commit_have_the_same_responses_as_with_a_cookie() {
    let fleet = fleet();
    let mut client = Client::signed_in(&fleet, "1").await;
    fleet.faults().fail_next("load", Fault::Refused);
    let request = client.open(&fleet, "GET");
    assert_eq!(request.load().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(kind(&fleet.finish(&request).await), Some(ErrorKind::Unavailable));
    fleet.faults().fail_next("replace", Fault::Refused);
    let failed = client.clone().sends(&fleet, |session| session.rotate().unwrap()).await;
    assert_eq!((kind(&failed), failed.bearer_token()), (Some(ErrorKind::Unavailable), None));
    assert_eq!(client.user_id(&fleet).await.as_deref(), Some("1"));

    // The response contains the handler's own commits, even if the handler then fails.
    let request = client.open(&fleet, "POST");
    let session = request.load().await.unwrap();
    session.rotate().unwrap();
    session.commit().await.unwrap();
    let outcome = fleet.finish_with(&request, Ending::Failed).await;
    client.0 = Some(outcome.bearer_token().unwrap().to_owned());
    assert_eq!(client.user_id(&fleet).await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_request_that_commits_nothing_tells_nothing() {
    let fleet = fleet();
    let client = Client::signed_in(&fleet, "1").await;
    for method in ["HEAD", "OPTIONS"] {
        let request = client.open(&fleet, method);
        request.load().await.unwrap().rotate().unwrap();
        let outcome = fleet.finish(&request).await;
        assert_eq!((outcome.error().map(drop), outcome.bearer_token()), (None, None));
    }
    assert_eq!(client.user_id(&fleet).await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_reopened_session_follows_its_request_and_can_ask_for_no_token() {
    let fleet = fleet();
    let client = Client::signed_in(&fleet, "1").await;
    let request = client.open(&fleet, "POST");
    request.load().await.unwrap().rotate().unwrap();
    let events = request.reopen();
    let Close::Commit(commit) = fleet.manager.close(&request, Ending::Completed) else { panic!("a rotation") };
    assert!(fleet.manager.commit(commit).await.bearer_token().is_some());
    let session = events.load().await.unwrap();
    assert_eq!(session.identity().unwrap().map(|user| user.user_id).as_deref(), Some("1"));
    assert_eq!(session.answer_with_bearer().unwrap_err().kind(), ErrorKind::Closed);
    assert!(request.loaded().is_none());
}

#[tokio::test]
async fn no_token_can_be_asked_for_once_the_answer_is_decided() {
    let fleet = fleet();
    let request = open(&fleet, "POST", (&[], &[]));
    let session = request.load().await.unwrap();
    session.login_as(user("1")).unwrap();
    fleet.finish(&request).await;
    assert_eq!(session.answer_with_bearer().unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn a_visitor_is_told_of_tokens_where_they_are_taken() {
    let (fleet, ..) = fleet_with_users().await;
    for (fleet, is_told) in [(with(&fleet, SessionManager::with_bearer_tokens), true), (fleet, false)] {
        let session = open(&fleet, "GET", (&[], &[])).load().await.unwrap();
        let error = session.require_user().await.unwrap_err();
        assert_eq!(error.public_message().contains("bearer token"), is_told, "{}", error.public_message());
    }
}

#[tokio::test]
async fn a_401_says_how_to_sign_in() {
    let fleet = fleet();
    let client = Client::signed_in(&fleet, "1").await;
    let refused = Rejected::new(Error::from(ErrorKind::Unauthenticated));
    let challenge = |request: &LazySession| {
        let (reply, _) = request.answer(None, Some(&refused), "GET", "/").unwrap();
        let found = reply.headers.into_iter().find(|(name, _)| *name == "www-authenticate");
        found.map(|(_, value)| value)
    };
    assert_eq!(challenge(&open(&fleet, "GET", (&[], &[]))).as_deref(), Some(r#"Bearer realm="session""#));
    assert_eq!(
        challenge(&client.open(&fleet, "GET")).as_deref(),
        Some(r#"Bearer realm="session", error="invalid_token""#)
    );
    assert_eq!(challenge(&open(&Fleet::new(), "GET", (&[], &[]))), None);
}

#[tokio::test]
async fn nothing_that_is_printed_shows_a_token() {
    let fleet = fleet();
    let client = Client::signed_in(&fleet, "1").await;
    let request = client.open(&fleet, "POST");
    let session = request.load().await.unwrap();
    session.rotate().unwrap();
    let outcome = fleet.finish(&request).await;
    let printed = format!("{:?} {request:?} {session:?} {outcome:?}", fleet.manager);
    for token in [client.0.as_deref().unwrap(), outcome.bearer_token().unwrap()] {
        assert!(!printed.contains(&token[24..40]) && !printed.contains(&token[40..56]), "{printed}");
    }
}
