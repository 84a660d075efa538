//! Cookies with a keyed tag: made-up ones cost no store call, and a change of keys signs no user out.

use shared_session::{
    ErrorKind, Profile, SecretKeys, SessionManager,
    cookie::{CookieConfig, SignedCookies},
    django::Django,
    store::MemoryStore,
};

use super::{Browser, Fleet, user};

const OLD: &str = "an old key, at least thirty-two bytes long";
const NEW: &str = "a new key of at least thirty-two bytes";

fn of(keys: &[&str]) -> SignedCookies {
    let current = SecretKeys::new(keys[0]).unwrap();
    SignedCookies::new(&keys[1..].iter().fold(current, |keys, key| keys.with_fallback(key).unwrap())).unwrap()
}

/// A service over the store of `fleet` that signs according to `cookies`.
fn signing(fleet: &Fleet, cookies: SignedCookies) -> Fleet {
    Fleet {
        manager: fleet.manager.clone().with_signed_cookies(cookies).unwrap(),
        store: fleet.store.clone(),
        memory: fleet.memory.clone(),
    }
}

async fn signed_in(fleet: &Fleet) -> Browser {
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.login_as(user("1")).unwrap()).await;
    browser
}

fn value(browser: &Browser) -> &str {
    &browser.0.as_ref().unwrap()["sid=".len()..]
}

#[tokio::test]
async fn a_flood_of_bogus_cookies_costs_a_call_each_without_signatures_and_none_with_them() {
    let plain = Fleet::new();
    let signed = signing(&plain, of(&[NEW]));
    for (fleet, tag, calls) in [(&plain, "", 100), (&signed, "", 0), (&signed, "CCCCCCCCCCCCCCCCCCCCCA", 0)] {
        plain.store.take_calls();
        for bogus in 0..100 {
            let cookie = format!("sid={bogus:024}{bogus:032}{tag}");
            let session = fleet.request(&Browser(Some(cookie))).load().await.unwrap();
            assert!(session.identity().unwrap().is_none());
        }
        let loads = plain.store.take_calls().iter().filter(|call| **call == "load").count();
        assert_eq!(loads, calls, "with the tag {tag:?}");
    }
}

#[tokio::test]
async fn a_visitor_with_made_up_cookies_gets_a_new_session() {
    let fleet = signing(&Fleet::new(), of(&[NEW]));
    let real = signed_in(&fleet).await;
    let mut stranger = Browser(Some(format!("sid={}", &value(&real)[..56])));
    assert_eq!(fleet.user_id(&stranger).await, None, "the tag is missing");
    fleet.serve(&mut stranger, |session| session.insert("a", &1).unwrap()).await;
    assert_ne!(stranger.handle(), real.handle());
    assert_eq!(fleet.user_id(&real).await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_change_of_keys_under_way_signs_nobody_out_and_the_next_cookie_has_the_current_key() {
    let plain = Fleet::new();
    let old = signing(&plain, of(&[OLD]));
    let (rotated, new) = (signing(&plain, of(&[NEW, OLD])), signing(&plain, of(&[NEW])));
    // First every service gets the new key, then it signs: services of both kinds run meanwhile.
    let learnt = signing(&plain, of(&[OLD, NEW]));
    let mut browser = signed_in(&old).await;
    for _ in 0..3 {
        for service in [&rotated, &learnt] {
            assert_eq!(service.user_id(&browser).await.as_deref(), Some("1"));
            service.serve(&mut browser, |session| session.insert("a", &1).unwrap()).await;
        }
    }
    rotated.serve(&mut browser, |session| session.rotate().unwrap()).await;
    assert_eq!(new.user_id(&browser).await.as_deref(), Some("1"));
    assert_eq!(old.user_id(&browser).await, None, "it does not have the new key");
}

#[tokio::test]
async fn signing_is_introduced_and_taken_back_without_signing_anybody_out() {
    let plain = Fleet::new();
    let steps = [
        plain.manager.clone(),
        signing(&plain, of(&[NEW]).write_unsigned()).manager,
        signing(&plain, of(&[NEW]).accept_unsigned()).manager,
    ];
    let fleet = |at: usize| Fleet {
        manager: steps[at].clone(),
        ..Fleet { manager: steps[at].clone(), store: plain.store.clone(), memory: plain.memory.clone() }
    };
    let lengths = [56, 56, 78];
    for (at, length) in lengths.into_iter().enumerate() {
        let browser = signed_in(&fleet(at)).await;
        assert_eq!(value(&browser).len(), length);
        // The services of one step run beside those of the previous one.
        for other in [at.saturating_sub(1), (at + 1).min(2)] {
            assert_eq!(fleet(other).user_id(&browser).await.as_deref(), Some("1"), "made at {at}, read at {other}");
        }
    }
    let on = signing(&plain, of(&[NEW]));
    let mut browser = signed_in(&fleet(2)).await;
    assert_eq!(on.user_id(&browser).await.as_deref(), Some("1"));
    on.serve(&mut browser, |session| session.logout().unwrap()).await;
    assert!(browser.0.is_none());
}

#[tokio::test]
async fn a_cookie_of_another_name_is_not_accepted() {
    let fleet = signing(&Fleet::new(), of(&[NEW]));
    let browser = signed_in(&fleet).await;
    let other = fleet.manager.clone().with_cookie(CookieConfig::new("other").build().unwrap());
    let session = other.open([format!("other={}", value(&browser)).as_bytes()]).load().await.unwrap();
    assert!(session.identity().unwrap().is_none());
}

#[tokio::test]
async fn cookies_of_django_are_not_signed() {
    let manager = || SessionManager::new(MemoryStore::new());
    let django = || Profile::django(Django::cache());
    let refused = manager().with_profile(django()).with_signed_cookies(of(&[NEW])).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Config);
    let later = manager().with_signed_cookies(of(&[NEW])).unwrap().with_profile(django());
    assert_eq!(later.ping().await.unwrap_err().kind(), ErrorKind::Config);
    assert_eq!(later.open([]).load().await.unwrap_err().kind(), ErrorKind::Config);
    later.with_profile(Profile::native("a:")).ping().await.unwrap();
    let short = SignedCookies::new(&SecretKeys::django("short").unwrap()).unwrap_err();
    assert_eq!(short.kind(), ErrorKind::Config);
}
