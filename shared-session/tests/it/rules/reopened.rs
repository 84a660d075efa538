//! Sessions that outlive their request: the changes that they see, and the errors that they return.

use std::time::Duration;

use shared_session::{
    Ending, Error, ErrorKind, LazySession, Profile, Session, SessionStatus,
    django::Django,
    store::SessionStore,
    testing::Fault,
    users::{ManageUsers, Users},
};
use tokio::task::JoinHandle;

use super::{
    ABSOLUTE, Browser, Fleet, IDLE,
    current_user::{self, fleet_with_users, signed_in},
    user,
};

type Edit = fn(&Session) -> Result<(), Error>;

/// The same rules hold in every profile.
fn fleets() -> [Fleet; 2] {
    let (native, django) = (Fleet::new(), Fleet::new());
    let manager = django.manager.clone().with_profile(Profile::django(Django::cache()));
    [native, Fleet { manager, ..django }]
}

/// The body of a response, which reads, writes and commits.
async fn write(live: &LazySession) -> Result<Session, Error> {
    let session = live.load().await?;
    session.insert("body", &1)?;
    session.commit().await?;
    Ok(session)
}

fn spawn_write(live: &LazySession) -> JoinHandle<Result<Session, Error>> {
    let live = live.clone();
    tokio::spawn(async move { write(&live).await })
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it does not hang")
}

#[tokio::test]
async fn a_reopened_session_is_the_one_that_the_request_ends_with() {
    let edits: [Edit; 4] = [
        |_| Ok(()),
        Session::rotate,
        |session| session.login_as(user("1")),
        |session| {
            session.logout()?;
            session.insert("before", &1)
        },
    ];
    for fleet in fleets() {
        for edit in edits {
            for is_first_visit in [true, false] {
                for spawned in [true, false] {
                    let mut browser = Browser::default();
                    if !is_first_visit {
                        fleet.serve(&mut browser, |session| session.insert("old", &1).unwrap()).await;
                    }
                    let (request, session) = fleet.load(&browser).await;
                    session.insert("before", &1).unwrap();
                    edit(&session).unwrap();
                    let live = request.reopen();
                    let task = spawned.then(|| spawn_write(&live));
                    tokio::task::yield_now().await;
                    browser.take(&fleet.finish(&request).await);
                    let written = match task {
                        Some(task) => in_time(task).await.unwrap(),
                        None => in_time(write(&live)).await,
                    };
                    let written = written.unwrap();
                    assert_eq!(written.get::<u8>("before").unwrap(), Some(1));
                    assert_eq!(written.identity().unwrap(), fleet.load(&browser).await.1.identity().unwrap());
                    assert_eq!(fleet.get(&browser, "body").await, Some(1.into()), "the visitor reads it");
                    let again = live.reopen().load().await.unwrap();
                    assert_eq!(again.get::<u8>("body").unwrap(), Some(1), "so does a reopened session");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_reopened_session_follows_the_request_s_own_commits_and_what_comes_after_them() {
    for fleet in fleets() {
        let mut browser = Browser::default();
        let (request, session) = fleet.load(&browser).await;
        session.insert("before", &1).unwrap();
        session.commit().await.unwrap();
        let live = request.reopen();
        session.login_as(user("1")).unwrap();
        session.commit().await.unwrap();
        session.rotate().unwrap();
        browser.take(&fleet.finish(&request).await);
        assert_eq!(write(&live).await.unwrap().identity().unwrap().unwrap().user_id, "1");
        assert_eq!(fleet.get(&browser, "body").await, Some(1.into()));
    }
}

#[tokio::test]
async fn a_reopened_session_of_a_request_that_never_loaded_it_is_the_cookie_s() {
    for fleet in fleets() {
        let mut browser = Browser::default();
        fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
        let request = fleet.request(&browser);
        let live = request.reopen();
        fleet.finish(&request).await;
        write(&live).await.unwrap();
        assert_eq!(fleet.get(&browser, "body").await, Some(1.into()));
    }
}

/// The request cannot end while its handler waits for its end.
#[tokio::test]
async fn a_handler_that_loads_a_reopened_session_sees_what_is_committed_so_far() {
    for fleet in fleets() {
        let (request, session) = fleet.load(&Browser::default()).await;
        session.insert("before", &1).unwrap();
        let live = request.reopen();
        assert_eq!(in_time(live.load()).await.unwrap_err().kind(), ErrorKind::Closed, "there is none yet");
        session.commit().await.unwrap();
        assert_eq!(in_time(live.load()).await.unwrap().get::<u8>("before").unwrap(), Some(1));
        let mut browser = Browser::default();
        browser.take(&fleet.finish(&request).await);
        assert_eq!(fleet.get(&browser, "before").await, Some(1.into()));
    }
}

#[tokio::test]
async fn a_request_that_ends_without_a_session_is_an_error_and_acknowledges_nothing() {
    for fleet in fleets() {
        let first_visit = async |end: fn(&Session), ending: Ending| {
            let (request, session) = fleet.load(&Browser::default()).await;
            session.insert("before", &1).unwrap();
            end(&session);
            let live = request.reopen();
            let task = spawn_write(&live);
            fleet.finish_with(&request, ending).await;
            let error = in_time(task).await.unwrap().unwrap_err();
            assert_eq!(write(&live).await.unwrap_err().kind(), error.kind());
            error.kind()
        };
        assert_eq!(first_visit(|_| (), Ending::Failed).await, ErrorKind::Closed);
        assert_eq!(first_visit(|session| session.logout().unwrap(), Ending::Completed).await, ErrorKind::Gone);
        assert_eq!(
            first_visit(|session| session.remove("before").unwrap(), Ending::Completed).await,
            ErrorKind::Closed,
            "a visitor without a session cannot get one"
        );
        fleet.faults().fail_next("create", Fault::Refused);
        assert_eq!(first_visit(|_| (), Ending::Completed).await, ErrorKind::Unavailable);
        assert_eq!(fleet.memory.len(), 0, "no orphan");
    }
}

#[tokio::test]
async fn a_visitor_without_a_session_is_read_as_anonymous() {
    for fleet in fleets() {
        let (request, _) = fleet.load(&Browser::default()).await;
        let live = request.reopen();
        fleet.finish(&request).await;
        let session = live.load().await.unwrap();
        assert_eq!((session.handle(), session.get::<u8>("a").unwrap()), (None, None));
        assert!(matches!(session.status().await, SessionStatus::Anonymous));
    }
}

#[tokio::test]
async fn a_dropped_request_notifies_the_waiting_tasks() {
    for fleet in fleets() {
        let (request, session) = fleet.load(&Browser::default()).await;
        session.insert("before", &1).unwrap();
        let live = request.reopen();
        let task = spawn_write(&live);
        tokio::task::yield_now().await;
        drop((request, session));
        assert_eq!(in_time(task).await.unwrap().unwrap_err().kind(), ErrorKind::Closed);

        // Another clone exists: the request's guard decides.
        let (request, session) = fleet.load(&Browser::default()).await;
        let guard = request.guard();
        session.insert("before", &1).unwrap();
        let live = request.reopen();
        drop(guard);
        assert_eq!(in_time(write(&live)).await.unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(session.commit().await.unwrap_err().kind(), ErrorKind::Closed);

        // The session's own commit made a cookie that was never sent.
        let (request, session) = fleet.load(&Browser::default()).await;
        session.insert("before", &1).unwrap();
        session.commit().await.unwrap();
        let live = request.reopen();
        drop((request, session));
        assert_eq!(in_time(write(&live)).await.unwrap_err().kind(), ErrorKind::Closed);

        // The final commit is dropped before it begins.
        let (request, session) = fleet.load(&Browser::default()).await;
        session.insert("before", &1).unwrap();
        let live = request.reopen();
        drop(fleet.manager.close(&request, Ending::Completed));
        assert_eq!(in_time(write(&live)).await.unwrap_err().kind(), ErrorKind::Closed);
    }
}

#[tokio::test]
async fn a_request_that_fails_or_is_dropped_leaves_the_session_that_there_was() {
    for fleet in fleets() {
        let mut browser = Browser::default();
        fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
        for is_dropped in [true, false] {
            let (request, session) = fleet.load(&browser).await;
            session.insert("a", &2).unwrap();
            session.rotate().unwrap();
            let live = request.reopen();
            if is_dropped {
                drop((request, session));
            } else {
                fleet.finish_with(&request, Ending::Failed).await;
            }
            assert_eq!(write(&live).await.unwrap().get::<u8>("a").unwrap(), Some(1));
            assert_eq!(fleet.get(&browser, "body").await, Some(1.into()));
        }
    }
}

#[tokio::test]
async fn a_reopened_session_is_as_read_only_as_its_request() {
    for fleet in fleets() {
        let mut browser = Browser::default();
        fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
        let head = fleet.manager.open_read_only(browser.0.as_ref().map(|cookie| cookie.as_bytes()));
        head.load().await.unwrap();
        let live = head.reopen();
        fleet.finish(&head).await;
        assert_eq!(live.load().await.unwrap().get::<u8>("a").unwrap(), Some(1));
        assert_eq!(write(&live).await.unwrap_err().kind(), ErrorKind::ReadOnly);
    }
}

/// No response can send the new cookie.
#[tokio::test]
async fn a_reopened_session_gets_no_new_cookie() {
    for fleet in fleets() {
        let mut browser = Browser::default();
        fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
        let request = fleet.load(&browser).await.0;
        let live = request.reopen();
        fleet.finish(&request).await;
        for edit in [Session::rotate as Edit, |session| session.login_as(user("1"))] {
            let session = live.reopen().load().await.unwrap();
            edit(&session).unwrap();
            assert_eq!(session.commit().await.unwrap_err().kind(), ErrorKind::Closed);
        }
        assert_eq!(fleet.get(&browser, "a").await, Some(1.into()), "the cookie still opens it");
        let session = live.load().await.unwrap();
        session.logout().unwrap();
        session.commit().await.unwrap();
        assert_eq!(fleet.get(&browser, "a").await, None, "signing out needs no cookie");
    }
}

#[tokio::test]
async fn a_reopened_session_can_be_loaded_again_after_an_outage() {
    for fleet in fleets() {
        let mut browser = Browser::default();
        fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
        let live = fleet.request(&browser).reopen();
        fleet.faults().set_down(true);
        assert_eq!(live.load().await.unwrap_err().kind(), ErrorKind::Unavailable);
        fleet.faults().set_down(false);
        write(&live).await.unwrap();
    }
}

/// A session of user 1, its browser, and its open connection.
async fn connected(fleet: &Fleet) -> (Browser, Session) {
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
    let live = fleet.request(&browser).reopen();
    (browser, live.load().await.unwrap())
}

#[tokio::test]
async fn a_connection_is_told_what_became_of_its_session() {
    let [native, django] = fleets();
    for fleet in [&native, &django] {
        let (mut browser, live) = connected(fleet).await;
        assert!(live.status().await.is_valid());
        fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
        assert!(matches!(live.status().await, SessionStatus::Valid), "an edit does not end it");
        fleet.faults().set_down(true);
        let SessionStatus::Unknown(error) = live.status().await else { panic!("the store is down") };
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        fleet.faults().set_down(false);
        fleet.serve(&mut browser, |session| session.logout().unwrap()).await;
        assert!(matches!(live.status().await, SessionStatus::SignedOut));

        let (_, live) = connected(fleet).await;
        fleet.manager.revoke_all("1").await.unwrap();
        assert!(matches!(live.status().await, SessionStatus::SignedOut));

        let (_, live) = connected(fleet).await;
        fleet.memory.advance(ABSOLUTE + Duration::from_secs(1));
        let status = live.status().await;
        assert!(matches!(status, SessionStatus::Expired) && !status.is_valid());
    }
}

/// A loop that asks again after `Unknown` would never end.
#[tokio::test]
async fn a_handle_that_can_never_tell_is_closed_and_not_unknown() {
    let fleet = Fleet::new();
    let (browser, live) = connected(&fleet).await;
    let request = fleet.request(&browser);
    let kept = request.load().await.unwrap();
    assert!(kept.status().await.is_valid());
    drop(fleet.manager.close(&request, Ending::Completed));
    assert!(matches!(kept.status().await, SessionStatus::Closed));

    live.insert("a", &1).unwrap();
    fleet.faults().set_down(true);
    live.commit().await.unwrap_err();
    fleet.faults().set_down(false);
    assert!(matches!(live.status().await, SessionStatus::Closed), "its own commit failed");
}

/// A store may keep a record slightly longer than its session lives.
#[tokio::test]
async fn a_connection_is_told_that_the_time_is_over_whatever_the_store_still_has() {
    let fleet = Fleet::new();
    let (browser, live) = connected(&fleet).await;
    let stored = fleet.memory.load(&browser.key()).await.unwrap().unwrap();
    fleet.memory.advance(IDLE);
    assert!(fleet.memory.create(&browser.key(), stored, IDLE).await.unwrap());
    assert!(matches!(live.status().await, SessionStatus::Expired));
}

#[tokio::test]
async fn a_new_cookie_for_the_same_user_is_no_sign_out() {
    let [native, django] = fleets();
    for edit in [Session::rotate as Edit, |session| session.login_as(user("1"))] {
        let (mut browser, live) = connected(&native).await;
        native.serve(&mut browser, |session| edit(session).unwrap()).await;
        assert!(matches!(live.status().await, SessionStatus::Rotated));
        live.insert("late", &1).unwrap();
        assert_eq!(live.commit().await.unwrap_err().kind(), ErrorKind::Stale, "the old cookie writes no more");
        let (mut browser, live) = connected(&native).await;
        native.serve(&mut browser, |session| edit(session).unwrap()).await;
        native.serve(&mut browser, |session| session.logout().unwrap()).await;
        assert!(matches!(live.status().await, SessionStatus::SignedOut), "a sign-out under the new cookie is seen");

        let (mut browser, live) = connected(&django).await;
        django.serve(&mut browser, |session| edit(session).unwrap()).await;
        assert!(matches!(live.status().await, SessionStatus::Moved));
    }
}

#[tokio::test]
async fn a_connection_of_a_visitor_is_told_that_somebody_signed_in() {
    let fleet = Fleet::new();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    let live = fleet.request(&browser).reopen().load().await.unwrap();
    fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
    assert!(matches!(live.status().await, SessionStatus::OtherUser));
}

#[tokio::test]
async fn a_connection_is_told_that_its_user_s_sessions_were_revoked() {
    let (fleet, users, _) = fleet_with_users().await;
    for end in ["password", "epoch", "inactive", "revoked"] {
        let browser = signed_in(&fleet, &users, end).await;
        let live = fleet.request(&browser).reopen().load().await.unwrap();
        assert!(matches!(live.status().await, SessionStatus::Valid));
        let id = users.find_by_name(end).await.unwrap().unwrap().id;
        match end {
            "password" => drop(users.set_password(&id, "another horse").await.unwrap()),
            "epoch" => drop(users.raise_epoch(&id).await.unwrap()),
            "inactive" => drop(users.set_active(&id, false).await.unwrap()),
            _ => drop(fleet.manager.revoke_all(&id).await.unwrap()),
        }
        assert!(matches!(live.status().await, SessionStatus::Revoked), "{end}");
    }
    let mut browser = signed_in(&fleet, &users, "signed-out").await;
    let live = fleet.request(&browser).reopen().load().await.unwrap();
    fleet.serve(&mut browser, |session| session.logout().unwrap()).await;
    assert!(matches!(live.status().await, SessionStatus::SignedOut), "a sign-out of one session revokes nothing");
}

/// Setting their own new password ends the user's other sessions and renews this one.
#[tokio::test]
async fn a_connection_outlives_the_new_password_of_its_own_session() {
    let (fleet, users, _) = fleet_with_users().await;
    let mut browser = signed_in(&fleet, &users, "ann").await;
    let live = fleet.request(&browser).reopen().load().await.unwrap();
    let id = users.find_by_name("ann").await.unwrap().unwrap().id;
    let changed = users.set_password(&id, "another horse").await.unwrap().unwrap();
    fleet.serve(&mut browser, |session| session.login(&changed).unwrap()).await;
    assert!(matches!(live.status().await, SessionStatus::Rotated));
}

/// It would end the calling session, whose cookie cannot be renewed.
#[tokio::test]
async fn sessions_that_get_no_cookie_cannot_end_the_others() {
    let (fleet, users, _) = fleet_with_users().await;
    let browser = signed_in(&fleet, &users, "ann").await;
    let head = fleet.manager.open_read_only(browser.0.as_ref().map(|cookie| cookie.as_bytes()));
    let live = fleet.request(&browser).reopen();
    for (handle, kind) in [(head, ErrorKind::ReadOnly), (live, ErrorKind::Closed)] {
        let session = handle.load().await.unwrap();
        assert_eq!(fleet.manager.revoke_others(&session).await.unwrap_err().kind(), kind);
    }
    assert_eq!(current_user::name(&fleet, &browser).await.as_deref(), Some("ann"));
}
