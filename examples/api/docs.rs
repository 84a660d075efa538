//! The OpenAPI document and the page that shows it.

use axum::{
    Json, Router,
    body::Body,
    http::header::CONTENT_TYPE,
    response::{Html, Redirect},
    routing::get,
};
use swagger_ui_dist::{ApiDefinition, OpenApiSource};
use utoipa::{
    OpenApi,
    openapi::{
        self, ContentBuilder, HeaderBuilder, ObjectBuilder, Ref, RefOr, ResponseBuilder,
        schema::Type,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use crate::problem::Problem;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "shared-session: api",
        description = "The JSON half of two services behind one login. Sign in here and `site` knows who you are.\n\n\
            Requests that change something are refused with 403 if a browser sends them from a site that is not \
            allowed. Every error is `application/problem+json`.",
        version = env!("CARGO_PKG_VERSION"),
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    components(schemas(Problem)),
    tags(
        (name = "account", description = "Signing in and out"),
        (name = "session", description = "The session itself"),
        (name = "preferences", description = "JSON values in the session, with or without a login"),
        (name = "devices", description = "The sessions of the signed-in user"),
        (name = "public", description = "Needs no session"),
        (name = "operations", description = "For operators"),
    )
)]
struct Document;

/// The document before the routes are added. `cookie` is the name of the session cookie.
pub(crate) fn document(cookie: &str) -> openapi::OpenApi {
    let mut document = Document::openapi();
    let description = "The session. POST /api/login sets it; the browser sends it by itself.";
    let scheme = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(cookie, description)));
    document.components.get_or_insert_default().add_security_scheme("session", scheme);
    document
}

/// The operations that may start a session or replace its secret, by path and method.
const TELL_TOKENS: [(&str, &str); 5] = [
    ("/api/login", "post"),
    ("/api/visits", "post"),
    ("/api/preferences/{name}", "put"),
    ("/api/preferences/{name}", "delete"),
    ("/api/sessions", "delete"),
];

/// The document where bearer tokens are accepted: every operation that takes the cookie takes a token too.
pub(crate) fn with_bearer(mut document: openapi::OpenApi) -> openapi::OpenApi {
    let description = "The session of a client other than a browser. `POST /api/login` with `bearer` answers the token in \
        `Session-Token`; a later answer with that header replaces it. Not together with the cookie.";
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(description)).build();
    document.components.get_or_insert_default().add_security_scheme("bearer", SecurityScheme::Http(scheme));
    let of = |name| SecurityRequirement::new::<_, [&str; 0], &str>(name, []);
    let cookie = of("session");
    for (name, path) in &mut document.paths.paths {
        let operations =
            [("get", &mut path.get), ("put", &mut path.put), ("post", &mut path.post), ("delete", &mut path.delete)];
        for (method, operation) in operations {
            let Some(operation) = operation else { continue };
            if TELL_TOKENS.contains(&(name.as_str(), method)) {
                tells_token(operation);
            }
            if let Some(security) = operation.security.as_mut().filter(|security| security.contains(&cookie)) {
                security.push(of("bearer"));
                operation.responses.responses.entry("400".to_owned()).or_insert_with(|| ambiguous().into());
            }
        }
    }
    document
}

/// The document where bearer tokens are not accepted: it does not describe how to ask for one.
pub(crate) fn without_bearer(mut document: openapi::OpenApi) -> openapi::OpenApi {
    let schemas = document.components.as_mut().map(|components| &mut components.schemas);
    if let Some(RefOr::T(openapi::Schema::Object(login))) = schemas.and_then(|schemas| schemas.get_mut("Login")) {
        login.properties.retain(|name, _| name != "bearer");
    }
    document
}

fn tells_token(operation: &mut openapi::path::Operation) {
    for (status, response) in &mut operation.responses.responses {
        if let (true, RefOr::T(response)) = (status.starts_with('2'), response) {
            let description = "The session's new token, where a client without cookies has to replace the one it has";
            let header = HeaderBuilder::new()
                .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
                .description(Some(description))
                .build();
            response.headers.insert("Session-Token".to_owned(), RefOr::T(header));
        }
    }
}

fn ambiguous() -> openapi::Response {
    let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    ResponseBuilder::new()
        .description("There is a bearer token and the session cookie, or there are several `Authorization` headers")
        .content("application/problem+json", problem)
        .build()
}

/// `/docs` and `/openapi.json`. The page loads nothing from other hosts; its files are part of the program.
pub(crate) fn page(document: openapi::OpenApi) -> Router {
    let swagger_ui = swagger_ui_dist::generate_routes(ApiDefinition {
        uri_prefix: "/docs",
        api_definition: OpenApiSource::Uri("../openapi.json"),
        title: None,
    })
    .into_service::<Body>();
    Router::new()
        .route("/docs", get(async || Redirect::to("/docs/")))
        // The crate's own page has no viewport for phones and no dark theme, and uses an external validator.
        .route("/docs/", get(async || Html(include_str!("docs.html"))))
        .route("/docs/docs.css", get(async || ([(CONTENT_TYPE, "text/css")], include_str!("docs.css"))))
        .route("/docs/docs.js", get(async || ([(CONTENT_TYPE, "text/javascript")], include_str!("docs.js"))))
        .route_service("/docs/swagger-ui.css", swagger_ui.clone())
        .route_service("/docs/swagger-ui-bundle.js", swagger_ui)
        .route("/openapi.json", get(async move || Json(document)))
}
