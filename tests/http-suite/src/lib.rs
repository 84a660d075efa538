//! Tests of every adapter's behaviour over HTTP: one suite, run against a small app on each framework, and against
//! several apps that share one store.
//!
//! An adapter's test app serves a [`World`] on these routes:
//!
//! | route | what |
//! |---|---|
//! | any method, `/script` | takes the session, answers what [`World::run`] makes of the request's `x-script` header |
//! | any method, `/plain/script` | the same under the sessions of [`World::plain_manager`], without the other session layer |
//! | any method, `/bearer/script` | the same under the sessions of [`World::bearer_manager`], without the other session layer |
//! | any method, `/bearer/guarded/script` | the same behind the cross-origin check of [`World::bearer_cross_origin`] |
//! | any method, `/bearer/page` | as `/bearer/script`, behind `login_required` with the login page `/login` |
//! | `POST /bearer/form` | as `POST /form/strict`, under these sessions |
//! | `GET /bearer/untouched` | takes no session, answers 200 |
//! | any method, `/guarded/script` | the same behind the cross-origin check of [`World::cross_origin`] |
//! | any method, `/guards/signed-in` | as `/script`, behind `login_required` |
//! | any method, `/guards/page` | as `/script`, behind `login_required` with the login page `/login` |
//! | any method, `/guards/permission` | as `/script`, behind `require` of [`PERMISSION`] |
//! | any method, `/guards/fresh` | as `/script`, behind `require_fresh` of an [`HOUR`] with the page `/confirm` |
//! | any method, `/guards/just-now` | the same, of a [`MILLISECOND`] |
//! | any method, `/swallow` | tries to take the session, ignores a failure, answers 200 |
//! | `GET /untouched` | takes no session, answers 200 |
//! | `GET /form` | takes the form token, answers its field |
//! | `POST /form` | takes the protected form of a [`Comment`], answers the text; of one that is refused with its fields, `refused: ` and the text |
//! | `POST /form/strict` | takes the protected form of a [`Comment`] or fails |
//! | `GET /events` | takes the session, answers the stream [`World::events`] of its request |
//! | `GET /bare` | takes the session, but no session layer is there |
//! | `GET /me` | takes the current user, answers the name |
//! | `GET /maybe` | takes the user if there is one, answers the name or `nobody` |
//! | `GET /staff` | takes a staff user, answers the name |
//! | `GET /permission` | takes the current user, requires [`PERMISSION`], answers the name |
//! | `GET /own/…` | the same under the sessions of [`World::own_manager`], with extractors of an [`Account`]: |
//! | `GET /own/login/{name}` | signs the [account](Accounts) in |
//! | `GET /own/me`, `/own/maybe`, `/own/staff`, `/own/permission` | as without `/own` |
//! | `GET /own/groups` | takes the current user, answers the groups |
//! | `GET /own/row` | takes `Option<CurrentUser>`, whose type is not an [`Account`] |
//! | `GET /own/again` | takes the current user, and a staff user if it is one, and signs each in again; answers the name |
//!
//! Before the session is loaded, an `x-test-address` header becomes the request's `ClientAddress`. Handlers return
//! session errors with `?`. The app drops a handler when its client disconnects.
//!
//! ```
//! # async fn serve(_: &http_suite::World) -> String { String::new() }
//! async fn start() -> http_suite::Site {
//!     let world = http_suite::World::new();
//!     let url = serve(&world).await;
//!     http_suite::Site::new(world, [url])
//! }
//! http_suite::tests!(start);
//! ```

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation must fail the test")]

mod accounts;
pub mod cases;
mod child;
mod gate;
pub mod programs;
mod script;
mod site;
mod users;
mod world;

pub use accounts::{Account, Accounts};
pub use child::in_child;
pub use gate::Gate;
pub use script::{Comment, Output, Step};
pub use site::{Answer, Browser, COOKIE, Events, Request, Site};
pub use users::{PERMISSION, TestUsers};
pub use world::{HOUR, MILLISECOND, ORIGIN, PLAIN_COOKIE, RETRY_AFTER, World};

/// A test for each case. `start` is the path of an `async fn() -> Site`.
#[macro_export]
macro_rules! tests {
    ($start:path) => {
        $crate::__tests! { $start;
            reading::a_request_that_takes_no_session_touches_nothing
            reading::without_a_cookie_the_store_is_not_called
            reading::the_first_write_sets_the_cookie
            reading::reading_costs_one_call_and_writing_two
            reading::a_request_reads_the_writes_of_the_one_before
            reading::edits_without_effect_start_no_session
            reading::unknown_and_malformed_cookies_are_anonymous
            reading::a_planted_cookie_is_never_taken_over
            reading::one_of_several_cookie_headers_is_enough
            reading::different_session_cookies_are_anonymous
            signing_in::cycling_the_id_keeps_the_data_and_ends_the_old_cookie
            signing_in::a_login_keeps_the_data_and_ends_the_old_cookie
            signing_in::another_user_gets_a_new_session
            signing_in::a_remembered_user_has_a_cookie_that_outlives_the_browser
            signing_in::an_anonymous_session_may_have_an_expiry
            signing_in::a_logout_deletes_the_session_and_its_cookie
            signing_in::a_session_is_listed_with_its_address_and_browser
            signing_in::a_sign_in_is_reported_before_its_answer_and_a_failed_one_is_not
            duplicate_cookies::a_sign_in_with_twin_cookies_works
            duplicate_cookies::a_sign_out_with_twin_cookies_ends_the_sessions_that_they_open
            duplicate_cookies::equal_twins_count_and_are_expired_when_one_is_replaced
            duplicate_cookies::a_single_cookie_is_expired_only_in_other_domains
            users::extractors_accept_only_allowed_users
            users::a_change_of_the_users_row_counts_at_once
            users::a_failing_user_database_is_no_sign_out
            users::cached_rows_answer_pages_but_neither_changes_nor_checks_of_rights
            users::a_record_that_cannot_be_read_is_no_sign_out
            users::extractors_carry_the_applications_own_type_of_users
            endings::a_5xx_commits_nothing
            endings::a_4xx_commits
            endings::a_panic_commits_nothing
            endings::a_request_whose_client_went_away_commits_nothing
            endings::a_commit_of_a_handler_outlives_its_failure
            endings::head_and_options_commit_nothing
            failures::a_failing_load_is_a_503_whatever_the_handler_answers
            failures::a_commit_that_fails_is_never_a_success
            failures::a_lost_reply_is_resolved
            failures::a_failed_logout_is_reported
            failures::a_record_that_cannot_be_read_is_a_500_and_stays
            failures::login_and_logout_work_over_a_record_that_cannot_be_read
            failures::a_session_that_grows_too_large_is_a_413
            failures::a_value_of_another_type_is_a_500
            failures::without_the_layer_the_answer_is_a_500
            failures::the_hook_can_redirect
            races::writers_of_different_entries_both_survive
            races::fifty_updates_make_fifty
            races::only_one_request_takes_an_entry
            races::a_sign_out_with_the_cookie_before_a_rotation_ends_the_session_of_the_same_user
            races::a_slow_write_does_not_revive_a_session_that_ended
            races::a_slow_write_does_not_reach_the_session_of_a_login
            headers::headers_of_the_handler_are_kept
            headers::a_new_cookie_is_never_cached
            headers::cookies_of_the_handler_are_kept
            headers::answers_to_signed_in_users_are_private
            guards::guards_accept_only_allowed_users
            guards::a_guard_redirects_only_pages_to_the_login
            guards::a_guard_asks_for_a_new_sign_in_if_the_last_was_too_long_ago
            guards::a_guard_asks_nothing_twice_and_an_outage_is_no_sign_out
            long_lived::events_survive_a_rotation_and_end_with_a_sign_out
            long_lived::events_go_on_through_an_outage
            forms::a_form_is_taken_from_a_page_of_this_visitor_only
            forms::the_token_may_come_in_a_header
            forms::a_sign_in_ends_the_forms_of_earlier_pages
            forms::a_refused_form_can_be_offered_again
            forms::a_body_that_is_no_form_is_refused_as_such
            cross_origin::requests_of_other_sites_do_not_reach_the_handler
            bearer::a_client_with_a_token_gets_no_cookie
            bearer::a_token_beside_the_cookie_is_refused
            bearer::malformed_tokens_are_anonymous_and_reach_no_store
            bearer::requests_of_other_sites_pass_with_a_token_and_without_a_cookie
            bearer::a_form_with_a_token_needs_no_form_token
            bearer::a_page_for_signed_in_users_is_a_401_to_a_token
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __tests {
    ($start:path; $($module:ident :: $case:ident)+) => {$(
        #[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            $crate::within_limit(async { $crate::cases::$module::$case(&$start().await).await }).await;
        }
    )+};
}

/// Runs a test for at most a minute.
///
/// # Panics
/// If it takes longer.
pub async fn within_limit(test: impl Future<Output = ()>) {
    tokio::time::timeout(std::time::Duration::from_secs(60), test).await.expect("the test did not end");
}
