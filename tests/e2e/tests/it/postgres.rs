//! Users and sessions in PostgreSQL as in production: behind PgBouncer, over TLS, and with migrations while services
//! run.

use test_servers::{PgBouncer, Postgres};

use harness::{Browser, Pair, pair::SECRET_KEY};

fn settings(url: &str) -> Vec<(String, String)> {
    [("DATABASE_URL", url), ("SESSION_URL", url), ("SECRET_KEY", SECRET_KEY)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
}

async fn assert_signed_in(pair: &Pair, browser: &Browser, name: &str) {
    let answer = browser.get(&pair.api, "/api/me").await;
    assert_eq!((answer.status, answer.json()["username"].as_str()), (200, Some(name)), "{}", answer.body);
    assert_eq!(browser.get(&pair.site, "/profile").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_pooler_nobody_notices_it() {
    let server = Postgres::start();
    let pooler = PgBouncer::in_front_of(&server, &[]);
    let pair = Pair::over(None, &settings(&pooler.url("postgres")));
    for turn in 0..8 {
        let name = format!("user-{turn}");
        pair.user(&name).await;
        let browser = Browser::new();
        browser.signs_in(&pair, &name).await;
        assert_signed_in(&pair, &browser, &name).await;
        assert_eq!(browser.sign_out_at_site(&pair).await.status, 303);
        assert_eq!(browser.get(&pair.api, "/api/me").await.status, 401);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_and_a_restart_sign_nobody_out_and_stop_no_service() {
    let server = Postgres::start();
    let pair = Pair::over(None, &settings(&server.url()));
    pair.user("ann").await;
    let browser = Browser::new();
    browser.signs_in(&pair, "ann").await;
    for change in [
        "ALTER TABLE auth_user ALTER username TYPE text",
        "ALTER TABLE auth_user ADD COLUMN phone text NOT NULL DEFAULT ''",
        "ALTER TABLE shared_session ADD COLUMN note text",
    ] {
        assert_signed_in(&pair, &browser, "ann").await;
        server.sql("postgres", change);
        assert_signed_in(&pair, &browser, "ann").await;
        Browser::new().signs_in(&pair, "ann").await;
    }
    server.restart();
    assert_signed_in(&pair, &browser, "ann").await;
    Browser::new().signs_in(&pair, "ann").await;
}
