//! The OpenAPI document and the page that shows it.

use utoipa::{
    OpenApi,
    openapi::{
        self, ContentBuilder, Ref, ResponseBuilder,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};
use utoipa_swagger_ui::{Config, SwaggerUi};

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

/// The same where bearer tokens are accepted: wherever the cookie counts.
pub(crate) fn with_bearer(mut document: openapi::OpenApi) -> openapi::OpenApi {
    let description = "The session of a client that is no browser. `POST /api/login` with `bearer` answers the token in \
        `Session-Token`; a later answer with that header replaces it. Not together with the cookie.";
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(description)).build();
    document.components.get_or_insert_default().add_security_scheme("bearer", SecurityScheme::Http(scheme));
    let of = |name| SecurityRequirement::new::<_, [&str; 0], &str>(name, []);
    let cookie = of("session");
    for path in document.paths.paths.values_mut() {
        for operation in [&mut path.get, &mut path.put, &mut path.post, &mut path.delete].into_iter().flatten() {
            if let Some(security) = operation.security.as_mut().filter(|security| security.contains(&cookie)) {
                security.push(of("bearer"));
                operation.responses.responses.entry("400".to_owned()).or_insert_with(|| ambiguous().into());
            }
        }
    }
    document
}

fn ambiguous() -> openapi::Response {
    let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    ResponseBuilder::new()
        .description("There is a bearer token and the session cookie, or there are several `Authorization` headers")
        .content("application/problem+json", problem)
        .build()
}

/// `/docs` and `/openapi.json`. The page loads nothing from elsewhere.
pub(crate) fn page(document: openapi::OpenApi) -> SwaggerUi {
    // The validator would send the document's address to its makers.
    // Relative to the page, which a proxy may show under a path of its own.
    let config = Config::new(["../openapi.json"]).validator_url("none");
    SwaggerUi::new("/docs").url("/openapi.json", document).config(config)
}
