//! K. Requests from other sites, and form tokens. Every combination of headers is tested in `csrf`.

use std::convert::Infallible;

use http::{Request, Response, StatusCode};
use shared_session::{
    ErrorKind, SecretKeys,
    csrf::{CrossOrigin, CrossOriginLayer, FormTokens},
};
use tower::{Layer, ServiceExt};

use super::{Browser, Fleet, current_user::KEY, user};

#[tokio::test]
async fn an_unsafe_request_from_another_site_does_not_reach_the_service() {
    let service = CrossOriginLayer::new(CrossOrigin::new(["http://localhost:8000"]).unwrap())
        .layer(tower::service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new("reached".to_owned())) }));
    for (header, value, status) in [
        ("sec-fetch-site", "cross-site", StatusCode::FORBIDDEN),
        ("origin", "http://evil.example", StatusCode::FORBIDDEN),
        ("origin", "null", StatusCode::FORBIDDEN),
        ("sec-fetch-site", "same-origin", StatusCode::OK),
        ("origin", "http://localhost:8000", StatusCode::OK),
        ("x-forwarded-host", "evil.example", StatusCode::OK),
    ] {
        let request = Request::post("/").header(header, value).body(()).unwrap();
        assert_eq!(service.clone().oneshot(request).await.unwrap().status(), status, "{header}: {value}");
    }
}

#[tokio::test]
async fn a_form_token_ends_with_the_cookie_it_was_made_under() {
    let fleet = Fleet::new();
    let forms = FormTokens::new(SecretKeys::new(KEY).unwrap(), "csrf", false).unwrap();
    let none = || std::iter::empty::<&[u8]>();
    let mut browser = Browser::default();

    let before = forms.issue(none(), None).unwrap();
    let cookie = before.set_cookie.unwrap();
    let pair = cookie.own().split(';').next().unwrap();
    assert!(forms.verify([pair.as_bytes()], None, &before.token).is_ok());

    fleet.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
    let binding = fleet.request(&browser).form_binding();
    let anonymous = forms.issue(none(), binding.as_deref()).unwrap().token;
    assert!(forms.verify(none(), binding.as_deref(), &anonymous).is_ok());

    fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
    let binding = fleet.request(&browser).form_binding();
    for old in [&anonymous, &before.token] {
        let refused = forms.verify([pair.as_bytes()], binding.as_deref(), old);
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::StaleForm);
    }
}
