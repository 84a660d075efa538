use super::*;

fn refused(config: CookieConfig) -> String {
    let error = config.build().expect_err("a refusal");
    assert_eq!(error.kind(), ErrorKind::Config);
    error.to_string()
}

fn secure() -> CookieConfig {
    CookieConfig::new("__Secure-session")
}

#[test]
fn the_default_is_the_strictest_cookie() {
    let cookie = CookieConfig::default().build().unwrap();
    assert_eq!(cookie.name(), "__Host-session");
    assert_eq!(cookie.set("abc"), "__Host-session=abc; HttpOnly; SameSite=Lax; Secure; Path=/");
}

#[test]
fn a_name_must_be_a_token() {
    for name in
        ["", "a b", " a", "a\t", "a=b", "a;b", "a,b", "a\"b", "a/b", "a[]", "a{b}", "a\0", "a\r\nb", "sitzüng", "a\x7f"]
    {
        assert!(refused(CookieConfig::new(name)).contains("token"), "{name:?}");
    }
    for name in ["a", "session", "connect.sid", "shared_session_id", "!#$%&'*+-.^_`|~", "__Host-", "__Secure-x"] {
        assert_eq!(CookieConfig::new(name).build().unwrap().name(), name);
    }
}

#[test]
fn a_name_leaves_room_for_the_value_in_4096_bytes() {
    let longest = "n".repeat(4096 - MAX_VALUE_LEN);
    assert!(CookieConfig::new(&longest).build().is_ok());
    assert!(refused(CookieConfig::new(longest + "n")).contains("3072"));
}

#[test]
fn a_prefix_in_any_case_is_held_to_its_rules() {
    for name in ["__Host-s", "__HOST-s", "__host-s", "__hOsT-s", "__Host-Http-s"] {
        assert!(CookieConfig::new(name).build().is_ok(), "{name}");
        assert!(refused(CookieConfig::new(name).with_secure(false)).contains("Secure"), "{name}");
        assert!(refused(CookieConfig::new(name).with_domain("example.com")).contains("domain"), "{name}");
        assert!(refused(CookieConfig::new(name).with_path("/app")).contains("path"), "{name}");
    }
    for name in ["__Secure-s", "__SECURE-s", "__secure-s", "__Http-s", "__hTTP-s"] {
        assert!(CookieConfig::new(name).with_domain("example.com").with_path("/app").build().is_ok(), "{name}");
        assert!(refused(CookieConfig::new(name).with_secure(false)).contains("Secure"), "{name}");
    }
    for name in ["session", "_Host-s", "__Host", "__Hosts-s", "x__Host-s", "__Secure_s"] {
        let plain = CookieConfig::new(name).with_secure(false).with_domain("example.com").with_path("/app");
        assert!(plain.build().is_ok(), "{name}");
    }
}

#[test]
fn a_domain_must_be_a_host_name() {
    let long_label = format!("{}.com", "a".repeat(64));
    let long = format!("{}com", "a.".repeat(126));
    let bad = [
        "",
        ".",
        "..example.com",
        "example..com",
        "example.com.",
        "-a.com",
        "a-.com",
        "a b.com",
        "a;b.com",
        "a_b.com",
        "exämple.com",
        "https://example.com",
        "example.com/",
        "example.com:443",
        "*.example.com",
        "[::1]",
        "a.com, b.com",
        "a.com\r\nX: y",
        &long_label,
        &long,
    ];
    for domain in bad {
        assert!(refused(secure().with_domain(domain)).contains("not a host name"), "{domain:?}");
    }
    let longest = format!("{}a.com", "a.".repeat(124));
    assert_eq!(longest.len(), 253);
    for domain in ["example.com", "a-1.example.com", "xn--exmple-cua.com", "localhost", "127.0.0.1", &longest] {
        let set = secure().with_domain(domain).build().unwrap().set("v");
        assert!(set.ends_with(&format!("; Domain={domain}")), "{set}");
    }
    let dotted = secure().with_domain(".example.com").build().unwrap();
    assert_eq!(dotted, secure().with_domain("example.com").build().unwrap());
}

#[test]
fn a_path_must_be_a_path_of_a_url() {
    assert!(refused(secure().with_path("")).contains("start with /"));
    assert!(refused(secure().with_path("app")).contains("start with /"));
    assert!(refused(secure().with_path("https://example.com/")).contains("start with /"));
    for path in ["/;", "/a;Domain=evil.example", "/a b", "/\t", "/\r\nX: y", "/\0", "/\x7f", "/ü"] {
        assert!(refused(secure().with_path(path)).contains("percent-encode"), "{path:?}");
    }
    for path in ["/", "/app", "/app/", "/%20", "/a,b=c"] {
        assert!(secure().with_path(path).build().unwrap().set("v").ends_with(&format!("; Path={path}")));
    }
}

#[test]
fn a_cookie_for_other_sites_needs_secure() {
    let plain = CookieConfig::new("session").with_secure(false);
    assert!(refused(plain.clone().with_same_site(SameSite::None)).contains("SameSite=None"));
    for same_site in [SameSite::Strict, SameSite::Lax] {
        assert!(plain.clone().with_same_site(same_site).build().is_ok());
    }
    for (same_site, written) in [(SameSite::Strict, "Strict"), (SameSite::Lax, "Lax"), (SameSite::None, "None")] {
        let set = CookieConfig::default().with_same_site(same_site).build().unwrap().set("v");
        assert!(set.contains(&format!("; SameSite={written}; Secure;")), "{set}");
    }
}

#[test]
fn a_partitioned_cookie_needs_secure_and_same_site_none() {
    let partitioned = CookieConfig::default().with_partitioned(true);
    for same_site in [SameSite::Strict, SameSite::Lax] {
        assert!(refused(partitioned.clone().with_same_site(same_site)).contains("Partitioned"));
    }
    let plain = CookieConfig::new("session").with_secure(false).with_partitioned(true);
    assert!(refused(plain).contains("Partitioned"));
    let cookie = partitioned.with_same_site(SameSite::None).build().unwrap();
    assert!(cookie.set("v").contains("; Partitioned;") && cookie.delete().contains("; Partitioned;"));
}

#[test]
fn a_maximum_age_is_between_one_second_and_400_days() {
    let aged = |age| CookieConfig::default().with_max_age(Some(age));
    for age in [Duration::ZERO, Duration::from_nanos(1), Duration::from_millis(999)] {
        assert!(refused(aged(age)).contains("below one second"));
    }
    for age in [CookieConfig::MAX_AGE_LIMIT + Duration::from_nanos(1), Duration::MAX] {
        assert!(refused(aged(age)).contains("400 days"));
    }
    for (age, written) in [
        (Duration::from_secs(1), "; Max-Age=1"),
        (Duration::from_millis(1999), "; Max-Age=1"),
        (CookieConfig::MAX_AGE_LIMIT, "; Max-Age=34560000"),
    ] {
        let set = aged(age).build().unwrap().set("v");
        assert!(set.ends_with(written) && !set.contains("Expires"), "{set}");
    }
    let session = CookieConfig::default().with_max_age(None).build().unwrap().set("v");
    assert!(!session.contains("Max-Age") && !session.contains("Expires"));
}

#[test]
fn only_a_cookie_that_says_so_is_secure() {
    assert!(CookieConfig::default().is_secure());
    assert!(!CookieConfig::new("sid").with_secure(false).is_secure());
}

#[test]
fn former_domains_and_paths_are_held_to_the_same_rules() {
    assert!(refused(secure().with_former_domain("a b.com")).contains("not a host name"));
    assert!(refused(secure().with_former_path("app")).contains("start with /"));
    assert!(refused(secure().with_former_path("/".repeat(1025))).contains("1024"));
    let five = (0..5).fold(secure(), |config, n| config.with_former_path(format!("/{n}")));
    assert!(refused(five).contains("more than 4"));
    let five = (0..5).fold(secure(), |config, n| config.with_former_domain(format!("{n}.com")));
    assert!(refused(five).contains("more than 4"));
    let four = (0..4)
        .fold(secure(), |config, n| config.with_former_path(format!("/{n}")).with_former_domain(format!("{n}.com")));
    assert!(four.build().is_ok());
    assert!(secure().with_former_path("/".repeat(1024)).build().is_ok());
    assert!(refused(CookieConfig::default().with_former_domain("a.com")).contains("never kept"));
    assert!(refused(CookieConfig::default().with_former_path("/a")).contains("never kept"));
    assert!(secure().with_former_domain(".a.com").with_former_path("/a").build().is_ok());
}

#[test]
fn the_attributes_take_at_most_1024_bytes() {
    let with_path = |length| secure().with_path("/".repeat(length)).with_max_age(Some(CookieConfig::MAX_AGE_LIMIT));
    let shortest = with_path(1).build().unwrap();
    let longest = 1024 - (shortest.delete().len() - "__Secure-session=".len()) + 1;
    let cookie = with_path(longest).build().unwrap();
    assert_eq!(cookie.delete().len(), "__Secure-session=".len() + 1024);
    assert!(cookie.set("").len() <= cookie.delete().len());
    assert!(refused(with_path(longest + 1)).contains("1025 bytes"));
}
