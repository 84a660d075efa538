//! `docs/wire-format.md` is correct: its example can be read, and written records have the same form.

use std::time::Duration;

use shared_session::{
    Expiry, Profile, Sealing, SecretKeys, SessionManager,
    cookie::{CookieConfig, SessionCookie},
    store::{MemoryStore, SessionStore, StoreTime},
};

const PAGE: &str = include_str!("../../../docs/wire-format.md");

fn block(language: &str) -> impl Iterator<Item = &'static str> {
    PAGE.split("```").skip(1).step_by(2).filter_map(move |block| block.strip_prefix(language)).map(str::trim)
}

#[tokio::test]
async fn the_example_of_the_page_is_a_session() {
    let cookie = block("text").next().unwrap();
    let key = block("text").nth(2).unwrap();
    let record = block("json").next().unwrap();
    let store = MemoryStore::with_clock(StoreTime(1_700_000_002_000));
    store.create(key, record.into(), Duration::from_secs(60)).await.unwrap();
    // The prefix is the library's default.
    let manager = SessionManager::new(store).with_cookie(CookieConfig::new("shared_session_id").build().unwrap());
    let session = manager.open([cookie.as_bytes()]).load().await.unwrap();
    assert_eq!(session.get::<u64>("visits").unwrap(), Some(3));
    assert_eq!(session.identity().unwrap().unwrap().user_id, "1");
    assert_eq!(&record[12..59], r#"0000000000000001","t":"TTTTTTTTTTTTTTTTTTTTTTTT"#);
    assert!(record[66..109].chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'));
    let name = SessionCookie::default().name().to_owned();
    assert!(PAGE.contains(&format!("`{name}` in the library")), "the page does not name the default cookie {name}");
}

#[tokio::test]
async fn the_sealed_example_opens_with_the_key_that_the_page_names() {
    let (cookie, key) = (block("text").next().unwrap(), block("text").nth(2).unwrap());
    let record = block("json").find(|record| record.starts_with(r#"{"v":2"#)).unwrap();
    let store = MemoryStore::with_clock(StoreTime(1_700_000_002_000));
    store.create(key, record.into(), Duration::from_secs(60)).await.unwrap();
    let secret_key = "the secret key that all services share";
    assert!(PAGE.contains(&format!("secret key `{secret_key}`")), "the page does not name the key");
    let sealing = Sealing::new(&SecretKeys::new(secret_key).unwrap()).unwrap();
    let manager = SessionManager::new(store)
        .with_profile(Profile::sealed("shared_session:", sealing))
        .with_cookie(CookieConfig::new("shared_session_id").build().unwrap());
    let session = manager.open([cookie.as_bytes()]).load().await.unwrap();
    assert_eq!(session.get::<u64>("visits").unwrap(), Some(3));
    let plain = block("json").next().unwrap();
    assert_eq!(record[6..110], plain[6..110], "the head is at the same places");
}

#[tokio::test]
async fn the_secret_before_ends_the_example_of_it_and_opens_nothing() {
    let key = block("text").nth(2).unwrap();
    let record = block("json").find(|record| record.contains(r#""p":"#)).unwrap();
    let store = MemoryStore::with_clock(StoreTime(1_700_000_003_000));
    store.create(key, record.into(), Duration::from_secs(60)).await.unwrap();
    let manager = SessionManager::new(store.clone()).with_cookie(CookieConfig::new("sid").build().unwrap());
    let late = format!("sid={}{}", "A".repeat(24), "C".repeat(32));
    let session = manager.open([late.as_bytes()]).load().await.unwrap();
    assert!(session.identity().unwrap().is_none() && session.handle().is_none());
    session.logout().unwrap();
    session.commit().await.unwrap();
    assert!(store.load(key).await.unwrap().is_none());
}

#[tokio::test]
async fn the_example_with_an_expiry_has_it_and_keeps_it_in_every_write() {
    let (cookie, key) = (block("text").next().unwrap(), block("text").nth(2).unwrap());
    let record = block("json").nth(1).unwrap();
    let store = MemoryStore::with_clock(StoreTime(1_700_000_002_000));
    store.create(key, record.into(), Duration::from_secs(60)).await.unwrap();
    let manager =
        SessionManager::new(store.clone()).with_cookie(CookieConfig::new("shared_session_id").build().unwrap());
    let session = manager.open([cookie.as_bytes()]).load().await.unwrap();
    assert_eq!(session.expiry().unwrap(), Expiry::OnInactivity(Duration::from_secs(300)));
    session.insert("visits", &1).unwrap();
    session.commit().await.unwrap();
    let written = store.load(key).await.unwrap().unwrap();
    let written = std::str::from_utf8(&written).unwrap();
    let member = r#""i":300000,"x":1707776000000,"o":{"kind":"idle","x":1707776000000},"u":null,"#;
    assert!(record.contains(member) && written.contains(member), "{written}");
}
