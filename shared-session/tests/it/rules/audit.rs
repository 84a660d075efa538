//! Audit events of sign-ins: emitted after a success, never for a failed commit.

use std::sync::{Arc, Mutex};

use shared_session::{
    Client, ErrorKind, Handle, Identity, LoadOptions, SecretKeys, SessionLimit,
    audit::{AuditEvent, AuditKind},
    store::SessionStore,
    testing::Fault,
    throttle::{Policy, Subject, Throttle, Verdict},
};

use super::{
    Browser, Fleet,
    current_user::{fleet_with_users, signed_in},
    kind, user,
};

/// The events since the last call.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<AuditEvent>>>);

impl Told {
    fn by(fleet: Fleet) -> (Fleet, Self) {
        let told = Self::default();
        let events = told.0.clone();
        let manager = fleet.manager.clone().with_audit(move |event| events.lock().unwrap().push(event.clone()));
        (Fleet { manager, ..fleet }, told)
    }

    fn events(&self) -> Vec<AuditEvent> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    fn kinds(&self) -> Vec<AuditKind> {
        self.events().into_iter().map(|event| event.kind).collect()
    }
}

const ADDRESS: [u8; 4] = [203, 0, 113, 9];

fn told(kind: AuditKind, user_id: &str, handle: Handle) -> AuditEvent {
    AuditEvent::new(kind).with_user_id(user_id).with_handle(handle).with_address(Some(ADDRESS.into()))
}

/// A request with the address of its client.
async fn serve(fleet: &Fleet, browser: &mut Browser, edit: impl FnOnce(&shared_session::Session)) {
    let request = fleet.request(browser);
    let from = LoadOptions::new().with_client(Client::new(Some(ADDRESS.into()), None));
    edit(&request.load_with(from).await.unwrap());
    browser.take(&fleet.finish(&request).await);
}

#[tokio::test]
async fn a_sign_in_a_rotation_and_a_sign_out_are_told_once_they_are_stored() {
    let (fleet, told_of) = Told::by(Fleet::new());
    let mut browser = Browser::default();
    serve(&fleet, &mut browser, |session| session.insert("a", &1).unwrap()).await;
    serve(&fleet, &mut browser, |session| session.insert("a", &2).unwrap()).await;
    assert_eq!(told_of.events(), [], "stored entries are not audited");
    serve(&fleet, &mut browser, |session| {
        session.login_as(user("1")).unwrap();
        assert_eq!(told_of.events(), []);
    })
    .await;
    assert_eq!(told_of.events(), [told(AuditKind::SignIn, "1", browser.handle())]);
    serve(&fleet, &mut browser, |session| session.rotate().unwrap()).await;
    assert_eq!(told_of.events(), [told(AuditKind::Rotation, "1", browser.handle())]);

    let first = browser.handle();
    serve(&fleet, &mut browser, |session| session.login_as(user("2")).unwrap()).await;
    let both = [told(AuditKind::SignOut, "1", first), told(AuditKind::SignIn, "2", browser.handle())];
    assert_eq!(told_of.events(), both);
    let (second, late) = (browser.handle(), browser.clone());
    serve(&fleet, &mut browser, |session| session.logout().unwrap()).await;
    assert_eq!(told_of.events(), [told(AuditKind::SignOut, "2", second)]);
    serve(&fleet, &mut late.clone(), |session| session.logout().unwrap()).await;
    assert_eq!(told_of.events(), [], "it had ended");
}

#[tokio::test]
async fn failed_operations_and_unknown_sessions_are_not_reported() {
    let (fleet, told_of) = Told::by(Fleet::new());
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
    let _ = told_of.events();
    for fault in [Fault::Refused, Fault::LateRequest, Fault::LateReply] {
        for (operation, edit) in [
            ("create", (|session| session.login_as(user("2")).unwrap()) as fn(&shared_session::Session)),
            ("replace", |session| session.rotate().unwrap()),
            ("replace", |session| session.login_as(user("1")).unwrap()),
            ("delete", |session| session.logout().unwrap()),
        ] {
            let from = if operation == "create" { Browser::default() } else { browser.clone() };
            fleet.faults().fail_next_n(operation, 3, fault);
            let outcome = fleet.serve(&mut from.clone(), edit).await;
            // After a late reply the look-up shows that the store applied the write.
            let is_told = !told_of.events().is_empty();
            assert_eq!(is_told, kind(&outcome).is_none(), "{operation} {fault:?}");
            assert!(!is_told || fault == Fault::LateReply, "{operation} {fault:?}");
            fleet.faults().clear();
            if fault == Fault::LateReply {
                browser = Browser::default();
                fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
                let _ = told_of.events();
            }
        }
    }
    let (failed, session) = fleet.load(&browser).await;
    session.logout().unwrap();
    let _ = fleet.finish_with(&failed, shared_session::Ending::Failed).await;
    assert_eq!(told_of.events(), []);
}

/// The session of one user did not begin, so that of the other has not ended.
#[tokio::test]
async fn a_sign_in_of_another_user_that_failed_is_not_reported() {
    let (fleet, told_of) = Told::by(Fleet::new());
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
    let _ = told_of.events();
    fleet.faults().fail_next("create", Fault::Refused);
    let outcome = fleet.serve(&mut browser, |session| session.login_as(user("2")).unwrap()).await;
    assert_eq!(kind(&outcome), Some(ErrorKind::Unavailable));
    assert_eq!(told_of.kinds(), []);
    let _ = fleet.serve(&mut browser, |session| session.login_as(user("2")).unwrap()).await;
    assert_eq!(told_of.kinds(), [AuditKind::SignOut, AuditKind::SignIn]);
}

#[tokio::test]
async fn a_failed_sign_in_is_reported_without_a_name() {
    let (fleet, users, _) = fleet_with_users().await;
    signed_in(&fleet, &users, "ann").await;
    let (fleet, told_of) = Told::by(fleet);
    for name in ["ann", "nobody"] {
        let request = fleet.request(&Browser::default());
        let from = LoadOptions::new().with_client(Client::new(Some(ADDRESS.into()), None));
        let session = request.load_with(from).await.unwrap();
        assert!(session.authenticate(name, "battery staple").await.unwrap().is_none());
        let expected = AuditEvent::new(AuditKind::SignInFailed).with_address(Some(ADDRESS.into()));
        assert_eq!(told_of.events(), [expected], "{name}");
    }
    let session = fleet.load(&Browser::default()).await.1;
    assert!(session.authenticate("ann", "correct horse").await.unwrap().is_some());
    assert_eq!(told_of.events(), [], "a password check has many purposes");
}

#[tokio::test]
async fn a_revocation_is_told_with_how_many_sessions_it_ended() {
    let (fleet, users, _) = fleet_with_users().await;
    let (fleet, told_of) = Told::by(fleet);
    let browsers = [
        signed_in(&fleet, &users, "ann").await,
        signed_in(&fleet, &users, "ann").await,
        signed_in(&fleet, &users, "ann").await,
        signed_in(&fleet, &users, "ann").await,
    ];
    assert_eq!(told_of.kinds(), [AuditKind::SignIn; 4]);
    let of_ann = |event: &AuditEvent| (event.user_id.as_deref() == Some("1")).then_some((event.kind, event.sessions));
    let told = |events: Vec<AuditEvent>| events.iter().map(|event| of_ann(event).unwrap()).collect::<Vec<_>>();

    assert!(fleet.manager.revoke(None, &browsers[0].handle()).await.unwrap());
    assert!(!fleet.manager.revoke(None, &browsers[0].handle()).await.unwrap());
    let events = told_of.events();
    assert_eq!(events[0].handle, Some(browsers[0].handle()));
    assert_eq!(told(events), [(AuditKind::Revocation, Some(1))]);

    let (request, session) = fleet.load(&browsers[1]).await;
    assert_eq!(fleet.manager.revoke_others(&session).await.unwrap(), 2);
    assert!(fleet.finish(&request).await.set_cookie().is_some());
    let expected = [(AuditKind::Rotation, None), (AuditKind::Revocation, Some(2))];
    assert_eq!(told(told_of.events()), expected, "not a sign-in");

    assert_eq!(fleet.manager.revoke_all("1").await.unwrap(), 1);
    assert_eq!(told(told_of.events()), [(AuditKind::Revocation, Some(1))]);

    fleet.faults().set_down(true);
    fleet.manager.revoke(None, &browsers[1].handle()).await.unwrap_err();
    assert_eq!(told_of.events(), []);
}

#[tokio::test]
async fn a_revocation_is_told_where_no_users_are_known_and_not_where_a_sign_out_came_first() {
    let (fleet, told_of) = Told::by(Fleet::new());
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
    let key = browser.key();
    fleet.faults().before_next("delete", move |memory| async move { drop(memory.delete(&key, None).await.unwrap()) });
    assert_eq!(told_of.kinds(), [AuditKind::SignIn]);
    assert!(!fleet.manager.revoke(None, &browser.handle()).await.unwrap());
    assert_eq!(told_of.events(), []);

    fleet.serve(&mut Browser::default(), |session| session.login_as(user("1")).unwrap()).await;
    assert_eq!(fleet.manager.revoke_all("1").await.unwrap(), 1);
    let events = told_of.events();
    assert_eq!((events[1].kind, events[1].sessions), (AuditKind::Revocation, Some(1)));
    assert_eq!((events[1].user_id.as_deref(), events.len()), (Some("1"), 2));
}

#[tokio::test]
async fn a_session_beyond_the_limit_is_told_and_a_sign_in_that_is_refused_is_not() {
    for (limit, expected) in [
        (SessionLimit::EndOldest(1), vec![AuditKind::Revocation, AuditKind::SignIn]),
        (SessionLimit::Refuse(1), vec![]),
    ] {
        let (fleet, told_of) = Told::by(Fleet::new());
        let fleet = Fleet { manager: fleet.manager.clone().with_session_limit(limit), ..fleet };
        fleet.serve(&mut Browser::default(), |session| session.login_as(user("1")).unwrap()).await;
        assert_eq!(told_of.kinds(), [AuditKind::SignIn]);
        fleet.memory.advance(std::time::Duration::from_millis(1));
        fleet.serve(&mut Browser::default(), |session| session.login_as(user("1")).unwrap()).await;
        assert_eq!(told_of.kinds(), expected, "{limit:?}");
    }
}

#[tokio::test]
async fn an_attempt_that_has_to_wait_is_reported_with_the_address() {
    let (fleet, told_of) = Told::by(Fleet::new());
    let throttle = Throttle::of(&fleet.manager, SecretKeys::new([7; 32]).unwrap());
    let attempt = async || {
        let once = Policy::new(1);
        let from = Subject::address("sign-in", ADDRESS.into());
        throttle.attempt([Subject::account("sign-in", "ann").with_policy(once), from]).await
    };
    assert!(matches!(attempt().await.unwrap(), Verdict::Go(_)));
    assert_eq!(told_of.events(), []);
    assert!(matches!(attempt().await.unwrap(), Verdict::Wait(_)));
    assert_eq!(told_of.events(), [AuditEvent::new(AuditKind::Throttled).with_address(Some(ADDRESS.into()))]);
    fleet.faults().set_down(true);
    attempt().await.unwrap_err();
    assert_eq!(told_of.events(), []);
}

#[tokio::test]
async fn a_program_tells_of_its_own_and_a_hook_that_panics_does_no_harm() {
    let (fleet, told_of) = Told::by(Fleet::new());
    let mut browser = Browser::default();
    serve(&fleet, &mut browser, |session| session.login_as(user("1")).unwrap()).await;
    serve(&fleet, &mut browser, |session| session.audit(AuditKind::PasswordChange)).await;
    assert_eq!(told_of.events()[1], told(AuditKind::PasswordChange, "1", browser.handle()));
    fleet.manager.audit(&AuditEvent::new(AuditKind::Own("x")).with_user_id("1").with_actor_id("2"));
    assert_eq!(told_of.events()[0].actor_id.as_deref(), Some("2"));

    let manager = fleet.manager.clone().with_audit(|_| panic!("the hook"));
    let fleet = Fleet { manager, ..fleet };
    let outcome = fleet.serve(&mut browser, |session| session.login_as(Identity::new("3", "", 0)).unwrap()).await;
    assert!(outcome.error().is_none());
    assert_eq!(fleet.user_id(&browser).await.as_deref(), Some("3"));
}
