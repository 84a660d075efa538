//! The diagnostics of a misconfigured service: in the log or, without one, on standard error.

use std::{
    convert::Infallible,
    fmt::{self, Write as _},
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use http::{Request, Response};
use shared_session::{
    Ending, Error, ErrorKind, LazySession, Rejected, Session, SessionLayer, SessionManager,
    audit::{AuditEvent, AuditKind},
    cookie::CookieConfig,
    store::MemoryStore,
    users::{User, Users},
};
use tower::{Layer, ServiceExt};
use tracing::{Event, Level, Subscriber, field};
use tracing_subscriber::{Registry, layer::Context, layer::SubscriberExt as _};

/// Responds to `request` with the result of `handler`.
async fn serve(manager: SessionManager, request: Request<()>, handler: fn(&Session) -> Result<(), Error>) -> u16 {
    let service = tower::service_fn(async |request: Request<()>| {
        let session = request.extensions().get::<LazySession>().unwrap().load().await.unwrap();
        let mut response = Response::new(String::new());
        if let Err(error) = handler(&session) {
            response.extensions_mut().insert(Rejected::new(error));
        }
        Ok::<_, Infallible>(response)
    });
    SessionLayer::new(manager).layer(service).oneshot(request).await.unwrap().status().as_u16()
}

fn manager() -> SessionManager {
    SessionManager::new(MemoryStore::new())
}

/// The lines of the log, each with its level and its fields.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// Captures the log of `test` on this thread.
    async fn of(test: impl Future<Output = ()>) -> Vec<String> {
        let log = Self::default();
        let guard = tracing::subscriber::set_default(Registry::default().with(log.clone()));
        test.await;
        drop(guard);
        log.0.lock().unwrap().clone()
    }
}

impl<S: Subscriber> tracing_subscriber::Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        struct Line(String);
        impl field::Visit for Line {
            fn record_debug(&mut self, field: &field::Field, value: &dyn fmt::Debug) {
                write!(self.0, " {field}={value:?}").unwrap();
            }
        }
        let level = *event.metadata().level();
        if level <= Level::WARN {
            let mut line = Line(level.to_string());
            event.record(&mut line);
            self.0.lock().unwrap().push(line.0);
        }
    }
}

/// The number of audit lines.
#[derive(Clone, Default)]
struct Audited(Arc<AtomicUsize>);

impl<S: Subscriber> tracing_subscriber::Layer<S> for Audited {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "shared_session::audit" {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn all_events_are_in_the_log_but_a_flood_of_refused_attempts_is_not() {
    const MANY: usize = 100;
    let manager = manager();
    let lines = |kind| {
        let audited = Audited::default();
        let guard = tracing::subscriber::set_default(Registry::default().with(audited.clone()));
        (0..MANY).for_each(|_| manager.audit(&AuditEvent::new(kind)));
        drop(guard);
        audited.0.load(Ordering::Relaxed)
    };
    assert_eq!(lines(AuditKind::SignInFailed), MANY);
    assert!(lines(AuditKind::Throttled) < MANY);
}

#[tokio::test]
async fn a_session_that_is_full_is_a_warning_that_names_its_size_and_the_setting() {
    let log = Log::of(async {
        let status =
            serve(manager().with_max_size(1000), Request::new(()), |session| session.insert("a", &"x".repeat(5000)));
        assert_eq!(status.await, 413);
    });
    let log = log.await;
    assert_eq!(log.len(), 1, "{log:?}");
    for part in ["WARN", "with_max_size", "1000", "52"] {
        assert!(log[0].contains(part), "{part} in {log:?}");
    }
    assert!(!log[0].contains("xx"), "no value");
}

#[tokio::test]
async fn a_secure_cookie_over_plain_http_is_a_warning_that_comes_once() {
    let get = |uri: &str| Request::get(uri).body(()).unwrap();
    let store = |session: &Session| session.insert("a", &1);
    let log = Log::of(async {
        let insecure = CookieConfig::new("session").with_secure(false).build().unwrap();
        serve(manager().with_cookie(insecure), get("http://box:8000/"), store).await;
        serve(manager(), get("http://localhost:8000/"), store).await;
        serve(manager(), get("https://app.example/"), store).await;
        serve(manager(), get("/"), store).await;
        serve(manager(), get("http://box:8000/"), |_| Ok(())).await;
    });
    assert_eq!(log.await, [""; 0], "every browser keeps these cookies");
    let log = Log::of(async {
        for _ in 0..2 {
            serve(manager(), get("http://box:8000/"), store).await;
        }
    });
    let log = log.await;
    assert_eq!(log.len(), 1, "{log:?}");
    assert!(log[0].contains("WARN") && log[0].contains("with_secure(false)"), "{log:?}");
}

const CHILD: &str = "SHARED_SESSION_TEST_CHILD";

/// Runs the test `name` again in a process of its own, and returns the standard error of that process. Returns `None`
/// in that process.
fn in_child(name: &str) -> Option<String> {
    if std::env::var_os(CHILD).is_some() {
        return None;
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    assert!(child.status.success(), "{child:?}");
    Some(String::from_utf8(child.stderr).unwrap())
}

#[tokio::test]
async fn without_a_log_a_debug_build_tells_what_is_broken_once() {
    const NAME: &str = "diagnostics::without_a_log_a_debug_build_tells_what_is_broken_once";
    let Some(printed) = in_child(NAME) else {
        for _ in 0..2 {
            let status = serve(manager(), Request::new(()), |session| {
                session.insert("theme", "canary")?;
                session.get::<u64>("theme").map(drop)
            });
            assert_eq!(status.await, 500);
        }
        return;
    };
    assert_eq!(printed.matches("shared-session: ").count(), usize::from(cfg!(debug_assertions)), "{printed}");
    if cfg!(debug_assertions) {
        assert!(printed.contains(r#"the entry "theme": the stored value cannot be read as u64"#), "{printed}");
    }
    assert!(!printed.contains("canary") && !printed.contains("line 0"), "{printed}");
}

/// Serves twice, through the layers of two managers, the inner one first.
async fn serve_nested(inner: SessionManager, outer: SessionManager) {
    for _ in 0..2 {
        let service = tower::service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(String::new())));
        let service = SessionLayer::new(inner.clone()).layer(service);
        SessionLayer::new(outer.clone()).layer(service).oneshot(Request::new(())).await.unwrap();
    }
}

#[tokio::test]
async fn a_layer_inside_of_one_with_another_manager_is_a_warning_that_comes_once() {
    let one = manager();
    let clone = one.clone().with_max_size(1000).on_this_runtime();
    let other_cookie = manager().with_cookie(CookieConfig::new("admin").build().unwrap());
    let log = Log::of(async {
        serve_nested(clone, one.clone()).await;
        serve_nested(other_cookie, one.clone()).await;
    });
    assert_eq!(log.await, [""; 0], "these are meant");
    let log = Log::of(serve_nested(manager(), one)).await;
    assert_eq!(log.len(), 1, "{log:?}");
    assert!(log[0].contains("WARN") && log[0].contains("make one SessionManager and clone it"), "{log:?}");
}

#[tokio::test]
async fn the_line_of_a_failed_request_has_its_path_and_not_its_query() {
    let log = Log::of(async {
        let request = Request::get("/cart/7%0a?token=canary").body(()).unwrap();
        assert_eq!(serve(manager(), request, |session| session.insert("a", &f64::NAN)).await, 500);
    });
    let log = log.await;
    assert_eq!(log.len(), 1, "{log:?}");
    assert!(log[0].contains(r#"path="/cart/7%0a""#) && !log[0].contains("canary"), "{log:?}");
}

#[tokio::test]
async fn an_edit_after_the_response_is_a_warning_that_comes_once_and_names_the_cure() {
    const NAME: &str = "diagnostics::an_edit_after_the_response_is_a_warning_that_comes_once_and_names_the_cure";
    if in_child(NAME).is_some() {
        return;
    }
    let log = Log::of(async {
        let manager = manager();
        let request = manager.open([]);
        let session = request.load().await.unwrap();
        drop(manager.close(&request, Ending::Completed));
        assert!(format!("{session:?}").contains("None"), "only an edit is lost");
        for _ in 0..2 {
            let error = session.insert("a", &1).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Closed);
            assert!(error.to_string().ends_with("needs a reopened session: see Session::reopen"), "{error}");
        }
        assert!(session.commit().await.is_err() && request.load().await.is_err());
    });
    let log = log.await;
    assert_eq!(log.len(), 1, "{log:?}");
    assert!(log[0].contains("WARN") && log[0].contains("Session::reopen"), "{log:?}");
}

#[tokio::test]
async fn a_stored_password_of_an_unknown_format_is_a_warning_without_the_password() {
    const NAME: &str = "diagnostics::a_stored_password_of_an_unknown_format_is_a_warning_without_the_password";
    struct OneUser(&'static str);
    impl Users for OneUser {
        type User = User;
        async fn find(&self, _: &str) -> Result<Option<User>, Error> {
            Ok(Some(User::new("1", "ann").with_encoded_password(self.0)))
        }
        async fn find_by_name(&self, name: &str) -> Result<Option<User>, Error> {
            self.find(name).await
        }
    }
    if let Some(printed) = in_child(NAME) {
        let printed = printed.lines().filter(|line| line.starts_with("shared-session: ")).collect::<Vec<_>>();
        assert_eq!(printed.len(), usize::from(cfg!(debug_assertions)), "{printed:?}");
        assert!(printed.iter().all(|line| line.contains("PasswordHasher") && !line.contains("canary")), "{printed:?}");
        return;
    }
    for known in ["", "!canary", "$2b$04$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        assert!(OneUser(known).verify("ann", "right").await.unwrap().is_none());
    }
    for _ in 0..2 {
        assert!(OneUser("md5$canary").verify("ann", "right").await.unwrap().is_none());
    }
}

#[tokio::test]
async fn an_error_of_a_value_names_no_line_that_does_not_exist() {
    serve(manager(), Request::new(()), |session| {
        let error = session.insert("a", &f64::NAN).unwrap_err();
        assert!(error.to_string().contains("f64") && error.to_string().contains("NaN"), "{error}");
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(!source.contains("line"), "{source}");
        Ok(())
    })
    .await;
}
