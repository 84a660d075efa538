//! Extractors of users of a type that is the application's own.

use std::borrow::Cow;

use actix_web::{App, http::header::SET_COOKIE, test as harness, web};
use shared_session::{
    Error, SecretKeys, SessionManager,
    store::MemoryStore,
    users::{AuthUser, Users},
};
use shared_session_actix::{CurrentUser, MaybeUser, Rejection, Session, SessionMiddleware, StaffUser};

/// A user of a type of the application's own.
#[derive(Clone)]
struct Account(&'static str);

impl AuthUser for Account {
    fn id(&self) -> Cow<'_, str> {
        self.0.into()
    }
    fn encoded_password(&self) -> &str {
        "!"
    }
    fn is_staff(&self) -> bool {
        self.0 == "sue"
    }
}

struct Accounts;

impl Users for Accounts {
    type User = Account;

    async fn find(&self, id: &str) -> Result<Option<Account>, Error> {
        Ok(["ann", "sue"].into_iter().find(|name| *name == id).map(Account))
    }
    async fn find_by_name(&self, name: &str) -> Result<Option<Account>, Error> {
        self.find(name).await
    }
}

#[actix_web::test]
async fn extractors_carry_the_applications_own_type_of_users() {
    let keys = SecretKeys::new("the secret key of the tests, which is long enough").unwrap();
    let app = App::new()
        .wrap(SessionMiddleware::new(SessionManager::new(MemoryStore::new()).with_users(Accounts, keys)))
        .route(
            "/login/{name}",
            web::get().to(async |session: Session, name: web::Path<String>| {
                session.login(&Accounts.find(&name).await?.unwrap())?;
                Ok::<_, Rejection>("")
            }),
        )
        .route("/me", web::get().to(async |user: CurrentUser<Account>| user.0))
        .route(
            "/maybe",
            web::get().to(async |MaybeUser(user): MaybeUser<Account>| user.map_or("nobody", |user| user.0)),
        )
        .route("/staff", web::get().to(async |staff: StaffUser<Account>| staff.0))
        .route(
            "/permission",
            web::get().to(async |user: CurrentUser<Account>| user.require_perm("blog.add_post").await.map(|()| "")),
        )
        .route(
            "/groups",
            web::get().to(async |user: CurrentUser<Account>| Ok::<_, Rejection>(user.groups().await?.concat())),
        )
        .route("/row", web::get().to(async |user: Option<CurrentUser>| user.is_some().to_string()))
        .route(
            "/again",
            web::get().to(async |user: CurrentUser<Account>, staff: Option<StaffUser<Account>>| {
                user.session().login(&user)?;
                if let Some(staff) = staff {
                    user.session().login(&staff)?;
                }
                Ok::<_, Rejection>(user.0)
            }),
        );
    let app = harness::init_service(app).await;
    let call = async |path: &str, cookie: &str| {
        let request = harness::TestRequest::with_uri(path).insert_header(("cookie", cookie)).to_request();
        let response = harness::call_service(&app, request).await;
        let set =
            response.headers().get(SET_COOKIE).map(|set| set.to_str().unwrap().split(';').next().unwrap().to_owned());
        (response.status().as_u16(), set, harness::read_body(response).await)
    };
    for name in ["ann", "sue"] {
        let cookie = call(&format!("/login/{name}"), "").await.1.unwrap();
        let staff = if name == "sue" { 200 } else { 403 };
        for (path, expected) in [
            ("/me", 200),
            ("/maybe", 200),
            ("/staff", staff),
            ("/permission", 403),
            ("/groups", 200),
            ("/row", 500),
            ("/again", 200),
        ] {
            let (status, _, body) = call(path, &cookie).await;
            assert_eq!(status, expected, "{name} {path}");
            let expected = if path == "/groups" { "" } else { name };
            assert!(status != 200 || body == expected, "{path}: {body:?}");
        }
    }
    assert_eq!(call("/me", "").await.0, 401);
    assert_eq!(call("/row", "").await.0, 500, "users of another type are never an anonymous visit");
}
