//! The routes.

mod account;
mod admin;
mod confirm;
mod devices;
mod home;
mod login;
mod methods;
pub(crate) mod operations;
mod preferences;
mod queries;

use actix_web::{
    HttpResponse,
    web::{self, PayloadConfig, ServiceConfig, post, resource},
};
use shared_session_examples::pages::STATIC_FILES;

use self::methods::get;

/// Every route. An unknown path is 404; a wrong method is 405 with the allowed methods.
pub(crate) fn all(app: &mut ServiceConfig) {
    app.service(resource("/").route(get().to(home::show)))
        .service(resource("/events").route(web::get().to(home::events)))
        .service(resource("/login").route(get().to(login::show)).route(post().to(login::sign_in)))
        .service(resource("/register").route(get().to(login::show_register)).route(post().to(login::register)))
        .service(resource("/logout").route(post().to(login::sign_out)))
        .service(resource("/profile").route(get().to(account::profile)))
        .service(resource("/password").route(get().to(account::show_password)).route(post().to(account::set_password)))
        .service(resource("/confirm").route(get().to(confirm::show)).route(post().to(confirm::confirm)))
        .service(resource("/preferences").route(get().to(preferences::show)).route(post().to(preferences::save)))
        .service(resource("/sessions").route(get().to(devices::show)))
        .service(resource("/sessions/revoke-others").route(post().to(devices::revoke_others)))
        .service(resource("/sessions/{handle}/revoke").route(post().to(devices::revoke)))
        .service(resource(["/admin", "/admin/"]).route(get().to(admin::overview)))
        .service(resource("/admin/users").route(get().to(admin::users::list)))
        .service(resource("/admin/users/{id}").route(get().to(admin::users::show)))
        .service(resource("/admin/users/{id}/active").route(post().to(admin::users::set_active)))
        .service(resource("/admin/users/{id}/staff").route(post().to(admin::users::set_staff)))
        .service(resource("/admin/users/{id}/superuser").route(post().to(admin::users::set_superuser)))
        .service(resource("/admin/users/{id}/password").route(post().to(admin::users::set_password)))
        .service(
            resource("/admin/users/{id}/rights")
                .app_data(PayloadConfig::new(admin::grants::LIMIT))
                .route(get().to(admin::grants::show))
                .route(post().to(admin::grants::change)),
        )
        .service(resource("/admin/users/{id}/sign-out").route(post().to(admin::users::sign_out)))
        .service(resource("/admin/groups").route(get().to(admin::groups::list)).route(post().to(admin::groups::add)))
        .service(resource("/admin/groups/{id}").route(get().to(admin::groups::show)))
        .service(resource("/admin/groups/{id}/name").route(post().to(admin::groups::rename)))
        .service(resource("/admin/groups/{id}/delete").route(post().to(admin::groups::delete)))
        .service(
            resource("/admin/groups/{id}/permissions")
                .app_data(PayloadConfig::new(admin::grants::LIMIT))
                .route(post().to(admin::groups::change)),
        )
        .service(resource("/admin/sessions").route(get().to(admin::sessions::list)))
        .service(resource("/admin/log").route(get().to(admin::log::show)))
        .service(resource("/admin/sessions/revoke").route(post().to(admin::revoke::revoke)))
        .service(resource("/admin/sessions/{handle}/revoke").route(post().to(admin::sessions::revoke)))
        .configure(operations::all);
    for (path, content_type, content) in STATIC_FILES {
        let file = move || async move {
            HttpResponse::Ok()
                .content_type(content_type)
                .insert_header(("cache-control", "public, max-age=3600"))
                .body(content)
        };
        app.service(resource(path).route(get().to(file)));
    }
    app.default_service(web::to(HttpResponse::NotFound));
}
