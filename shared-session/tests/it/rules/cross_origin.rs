//! Requests from other sites. Every combination of headers is tested in `csrf`.

use std::convert::Infallible;

use http::{Request, Response, StatusCode};
use shared_session::{csrf::CrossOrigin, tower::CrossOriginLayer};
use tower::{Layer, ServiceExt};

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
