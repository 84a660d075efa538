use super::*;

const KEY: &str = "0123456789abcdef0123456789abcdef";

fn read(vars: &[(&str, &str)], service: Service) -> Result<Settings, String> {
    let lookup = |name: &str| vars.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    Settings::from_env(lookup, service).map_err(|error| error.to_string())
}

fn site(vars: &[(&str, &str)]) -> Settings {
    read(vars, Service::Site).unwrap()
}

fn refusal(vars: &[(&str, &str)]) -> String {
    let message = read(vars, Service::Site).unwrap_err();
    assert!(!message.contains('\n') && !message.is_empty(), "{message:?}");
    message
}

/// A bad value of a variable that is not secret: the line names the variable and the value.
fn assert_refused(name: &str, values: &[&str]) {
    for value in values {
        let message = refusal(&[(name, value)]);
        assert!(message.starts_with(&format!("{name} is ")) && message.contains("expected "), "{message}");
        assert!(message.contains(&format!("{:?}", value.trim())), "{value:?} is not in: {message}");
    }
}

/// A bad value that may hold a secret: the line names the variable and does not show the value.
fn assert_refused_silently(vars: &[(&str, &str)]) {
    let (name, value) = vars[0];
    let message = refusal(vars);
    assert!(message.starts_with(name) && message.contains("expected "), "{message}");
    assert!(!message.contains("hunter2"), "{value:?} leaks in: {message}");
}

#[test]
fn nothing_set_is_an_embedded_start() {
    let settings = site(&[]);
    assert_eq!(settings.listen_addr(), "127.0.0.1:8000".parse().unwrap());
    assert_eq!(read(&[], Service::Api).unwrap().listen_addr(), "127.0.0.1:8001".parse().unwrap());
    assert_eq!(
        (settings.session_url.clone(), settings.database_url.clone()),
        (SessionUrl::Embedded, DatabaseUrl::Embedded)
    );
    assert_eq!(settings.embedded_database(), PathBuf::from(".data/shared-session.sqlite3"));
    assert!(settings.has_embedded_users());
    assert_eq!((settings.secret_key.clone(), settings.secret_key_fallbacks.len()), (None, 0));
    assert_eq!(settings.profile, SessionProfile::Native);
    assert_eq!((settings.key_prefix.as_str(), settings.key_version), ("shared_session:", 1));
    let cookie = CookieSettings {
        name: "shared_session_id".into(),
        domain: None,
        path: "/".into(),
        former_domains: Vec::new(),
        former_paths: Vec::new(),
        secure: false,
        same_site: SameSite::Lax,
        of_the_browser: false,
        signed: SignedCookie::Off,
    };
    assert_eq!(settings.cookie, cookie);
    assert!(!settings.save_every_request);
    assert_eq!((settings.idle.as_secs(), settings.absolute.as_secs()), (1_209_600, 7_776_000));
    assert_eq!((settings.trusted_proxies.len(), settings.near_cache, settings.durable), (0, false, false));
    assert_eq!((settings.timeout.as_millis(), settings.retry_after.as_secs()), (300, 1));
    assert_eq!((settings.replicas, settings.fenced_reads), (0, false));
    assert_eq!(settings.log_filter, "info");
    assert_eq!(settings.django.codec, DjangoCodec::Pickle);
    assert_eq!(settings.django.user_table, "auth_user");
    assert_eq!(settings.django.backend, "django.contrib.auth.backends.ModelBackend");
}

#[test]
fn empty_variables_are_unset_ones() {
    let empty: Vec<_> = names::KNOWN.iter().map(|name| (*name, " ")).collect();
    assert_eq!(read(&empty, Service::Site), read(&[], Service::Site));
}

#[test]
fn addresses() {
    let settings = site(&[("SITE_ADDR", "[::]:0"), ("API_ADDR", "localhost:9001")]);
    assert_eq!(settings.site_addr, "[::]:0".parse().unwrap());
    assert_eq!(settings.api_addr, "127.0.0.1:9001".parse().unwrap());
    for name in ["SITE_ADDR", "API_ADDR"] {
        assert_refused(
            name,
            &["8000", "127.0.0.1", "127.0.0.1:65536", "example.com:80", ":80", "localhost:", "localhost:+1"],
        );
    }
}

#[test]
fn session_urls() {
    let url = |value: &str| site(&[("SESSION_URL", value), ("SECRET_KEY", KEY)]).session_url;
    let secret = |value: &str| Secret(value.to_owned());
    for value in [
        "redis://localhost",
        "redis://u:hunter2@127.0.0.1:6379/3",
        "rediss://[::1]:6380/0?x=y",
        "redis+unix:///run/r.sock?db=1",
    ] {
        assert_eq!(url(value), SessionUrl::Redis(secret(value)));
    }
    for value in ["redis+sentinel://a:26379,b:26379/primary", "redis+sentinel://u:hunter2@a:1,[::1]:2/primary/5"] {
        assert_eq!(url(value), SessionUrl::RedisSentinel(secret(value)));
    }
    for value in ["redis+cluster://a:7000,b:7001", "redis+cluster://:hunter2@a:7000/"] {
        assert_eq!(url(value), SessionUrl::RedisCluster(secret(value)));
    }
    assert_eq!(url("sqlite://var/s.db?mode=rwc"), SessionUrl::Sqlite("sqlite://var/s.db?mode=rwc".into()));
    for value in ["postgres://u:hunter2@db/app", "postgresql:///app?host=/run/postgresql"] {
        assert_eq!(url(value), SessionUrl::Postgres(secret(value)));
    }
    assert!(!format!("{:?}", url("redis://u:hunter2@h")).contains("hunter2"));
}

#[test]
fn session_urls_that_cannot_be_used_are_refused_without_being_shown() {
    for value in [
        "hunter2",
        "redsi://u:hunter2@h",
        "redis://",
        "redis://u:hunter2@h:0",
        "redis://u:hunter2@h:65536",
        "redis://u:hunter2@h:+1",
        "redis://u:hunter2@h/first",
        "redis://a,b",
        "redis+unix://run/hunter2.sock",
        "redis+sentinel://u:hunter2@a:1",
        "redis+sentinel://a:1,/primary",
        "redis+cluster://u:hunter2@a:1/2",
        "redis+cluster://",
        "sqlite://",
        "sqlite://:memory:",
        "sqlite:hunter2.db",
        "postgres://u:hunter2@h:port/app",
        "mysql://u:hunter2@h/app",
    ] {
        assert_refused_silently(&[("SESSION_URL", value), ("SECRET_KEY", KEY)]);
    }
}

#[test]
fn redis_url_stands_in_for_an_unset_session_url() {
    let redis = ("REDIS_URL", "redis://cache");
    assert_eq!(site(&[redis, ("SECRET_KEY", KEY)]).session_url, SessionUrl::Redis(Secret("redis://cache".into())));
    let both = site(&[redis, ("SESSION_URL", "redis://sessions"), ("SECRET_KEY", KEY)]);
    assert_eq!(both.session_url, SessionUrl::Redis(Secret("redis://sessions".into())));
    assert_refused_silently(&[("REDIS_URL", "postgres://u:hunter2@h/app"), ("SECRET_KEY", KEY)]);
    assert_refused_silently(&[("REDIS_URL", "hunter2"), ("SECRET_KEY", KEY)]);
}

#[test]
fn database_urls() {
    assert_eq!(site(&[("DATABASE_URL", "sqlite:///u.db")]).database_url, DatabaseUrl::Sqlite("sqlite:///u.db".into()));
    let url = "postgres://u:hunter2@db:5432/app";
    let settings = site(&[("DATABASE_URL", url), ("SECRET_KEY", KEY)]);
    assert_eq!(settings.database_url, DatabaseUrl::Postgres(Secret(url.into())));
    assert!(!settings.has_embedded_users());
    for value in ["hunter2", "redis://u:hunter2@h", "sqlite://", "postgres://u:hunter2@h:0/app"] {
        assert_refused_silently(&[("DATABASE_URL", value), ("SECRET_KEY", KEY)]);
    }
}

#[test]
fn the_data_directory_holds_the_embedded_files() {
    assert_eq!(
        site(&[("DATA_DIR", "/var/lib/x")]).embedded_database(),
        PathBuf::from("/var/lib/x/shared-session.sqlite3")
    );
}

#[test]
fn a_secret_key_is_needed_outside_an_embedded_start() {
    for var in [
        ("SESSION_URL", "redis://h"),
        ("SESSION_URL", "sqlite://s.db"),
        ("REDIS_URL", "redis://h"),
        ("DATABASE_URL", "postgres://h/app"),
    ] {
        let message = refusal(&[var]);
        assert!(message.starts_with("SECRET_KEY is not set; expected at least 32 bytes, because "), "{message}");
        assert!(message.contains(var.0), "{message}");
        assert_eq!(site(&[var, ("SECRET_KEY", KEY)]).secret_key.unwrap().expose(), KEY);
    }
    assert_eq!(site(&[("DATABASE_URL", "sqlite://u.db")]).secret_key, None);
}

#[test]
fn short_secret_keys_are_refused_without_being_shown() {
    for name in ["SECRET_KEY", "SECRET_KEY_FALLBACKS"] {
        assert_refused_silently(&[(name, "hunter2hunter2hunter2hunter2abc")]);
    }
    assert_refused_silently(&[("SECRET_KEY_FALLBACKS", &format!("{KEY},hunter2"))]);
    let fallbacks = site(&[("SECRET_KEY_FALLBACKS", &format!("{KEY}, {KEY}x"))]).secret_key_fallbacks;
    assert_eq!(fallbacks.iter().map(Secret::expose).collect::<Vec<_>>(), [KEY, &format!("{KEY}x")]);
    assert!(!format!("{:?}", site(&[("SECRET_KEY", KEY)])).contains(KEY));
}

#[test]
fn a_secret_key_keeps_its_spaces() {
    let key = format!("{KEY} ");
    assert_eq!(site(&[("SECRET_KEY", &key)]).secret_key.unwrap().expose(), key);
}

#[test]
fn profiles() {
    let redis = ("SESSION_URL", "redis://h");
    let db = ("DATABASE_URL", "postgres://h/app");
    // Django takes keys of any length.
    let key = ("SECRET_KEY", "short");
    for (name, profile) in [
        ("django-cache", SessionProfile::DjangoCache),
        ("Django-Redis", SessionProfile::DjangoRedis),
        ("django-cached-db", SessionProfile::DjangoCachedDb),
    ] {
        let settings = site(&[("SESSION_PROFILE", name), redis, db, key]);
        assert_eq!((settings.profile, settings.key_prefix.as_str(), settings.key_version), (profile, "", 1));
        assert_refused_silently(&[("SESSION_URL", "sqlite://hunter2"), ("SESSION_PROFILE", name), db, key]);
        assert!(refusal(&[("SESSION_PROFILE", name), redis, key]).starts_with("DATABASE_URL is not set"));
        assert!(
            refusal(&[("SESSION_PROFILE", name), redis, db]).starts_with("SECRET_KEY is not set; expected Django's")
        );
    }
    assert_refused("SESSION_PROFILE", &["django", "flask"]);
}

#[test]
fn django_db_keeps_sessions_beside_the_users() {
    let base = [("SESSION_PROFILE", "django-db"), ("DATABASE_URL", "postgres://h/app"), ("SECRET_KEY", "short")];
    let with = |more: &[(&'static str, &'static str)]| [&base[..], more].concat();
    let in_database = SessionUrl::Postgres(Secret("postgres://h/app".into()));
    assert_eq!(site(&base).session_url, in_database);
    assert_eq!(site(&with(&[("REDIS_URL", "redis://h")])).session_url, in_database);
    let elsewhere = site(&with(&[("SESSION_URL", "sqlite://s.db")])).session_url;
    assert_eq!(elsewhere, SessionUrl::Sqlite("sqlite://s.db".into()));
    assert!(refusal(&with(&[("SESSION_URL", "redis://h")])).contains("django-db"));
}

#[test]
fn keys() {
    let settings = site(&[("SESSION_KEY_PREFIX", "shop:{a}"), ("SESSION_KEY_VERSION", "7")]);
    assert_eq!((settings.key_prefix.as_str(), settings.key_version), ("shop:{a}", 7));
    assert_refused("SESSION_KEY_PREFIX", &["a b", "a\tb", "a\u{7f}"]);
    assert!(refusal(&[("SESSION_KEY_PREFIX", &"x".repeat(101))]).len() < 200);
    assert_refused("SESSION_KEY_VERSION", &["one", "-1", "+1", "4294967296"]);
}

#[test]
fn django_settings() {
    let vars = [("DJANGO_CODEC", "json"), ("AUTH_USER_TABLE", "app.accounts_user"), ("AUTH_BACKEND", "a.b_2.C")];
    let django = site(&vars).django;
    assert_eq!(
        (django.codec, django.user_table.as_str(), django.backend.as_str()),
        (DjangoCodec::Json, "app.accounts_user", "a.b_2.C")
    );
    assert_eq!((django.username_field.as_str(), django.email_field.as_str()), ("username", "email"));
    // As the `db_table` of a model has it.
    for quoted in [r#"accounts"."user"#, r#""accounts"."user""#] {
        assert_eq!(site(&[("AUTH_USER_TABLE", quoted)]).django.user_table, "accounts.user");
    }
    assert_refused("AUTH_USERNAME_FIELD", &["e mail", "a.b", "1st", "\"email\""]);
    assert_refused("AUTH_EMAIL_FIELD", &["e-mail;"]);
    let by_email = |profile| {
        site(&[
            ("SESSION_PROFILE", profile),
            ("AUTH_USERNAME_FIELD", "email"),
            ("SECRET_KEY", KEY),
            ("SESSION_URL", "redis://h/"),
            ("DATABASE_URL", "postgres://h/d"),
        ])
    };
    assert_eq!(by_email("django-cache").sign_in_names(), SignInNames::Emails);
    assert_eq!(by_email("native").sign_in_names(), SignInNames::UserNames);
    assert_refused("DJANGO_CODEC", &["yaml"]);
    assert_refused("AUTH_USER_TABLE", &["users; drop table x", "a.b.c", "1st", "a.", "\"user\""]);
    assert_refused("AUTH_BACKEND", &["ModelBackend", "a..b", "a.b c"]);
}

#[test]
fn the_cookie_is_secure_unless_the_service_listens_on_loopback() {
    for (addr, secure) in [
        ("127.0.0.1:1", false),
        ("[::1]:1", false),
        ("[::ffff:127.0.0.1]:1", false),
        ("0.0.0.0:1", true),
        ("[::]:1", true),
    ] {
        assert_eq!(site(&[("SITE_ADDR", addr)]).cookie.secure, secure, "{addr}");
        // The other service's address does not count.
        assert!(!read(&[("SITE_ADDR", addr)], Service::Api).unwrap().cookie.secure);
        assert_eq!(read(&[("API_ADDR", addr)], Service::Api).unwrap().cookie.secure, secure, "{addr}");
    }
    assert!(!site(&[("SITE_ADDR", "0.0.0.0:1"), ("SESSION_COOKIE_SECURE", "false")]).cookie.secure);
    assert!(site(&[("SESSION_COOKIE_SECURE", "True")]).cookie.secure);
    assert_refused("SESSION_COOKIE_SECURE", &["maybe", "2"]);
}

#[test]
fn cookie_attributes() {
    let cookie = site(&[
        ("SESSION_COOKIE_NAME", "sessionid"),
        ("SESSION_COOKIE_DOMAIN", ".Example.com"),
        ("SESSION_COOKIE_SAMESITE", "strict"),
    ])
    .cookie;
    assert_eq!((cookie.name.as_str(), cookie.domain.as_deref()), ("sessionid", Some("example.com")));
    assert_eq!(cookie.same_site, SameSite::Strict);
    assert_refused("SESSION_COOKIE_NAME", &["a b", "a=b", "a;b", "ä", "a\"b"]);
    assert_refused(
        "SESSION_COOKIE_DOMAIN",
        &["example.com:80", "https://example.com", "a..b", "-a.b", "a;b", "exämple.com"],
    );
    assert_refused("SESSION_COOKIE_SAMESITE", &["any", "0"]);
}

#[test]
fn the_cookie_has_a_path_and_former_scopes() {
    let cookie = site(&[
        ("SESSION_COOKIE_PATH", " /app/ "),
        ("SESSION_COOKIE_FORMER_DOMAINS", ".Example.com, app.example.com"),
        ("SESSION_COOKIE_FORMER_PATHS", "/,/old"),
    ])
    .cookie;
    assert_eq!((cookie.path.as_str(), cookie.former_paths), ("/app/", vec!["/".to_owned(), "/old".to_owned()]));
    assert_eq!(cookie.former_domains, ["example.com", "app.example.com"]);
    assert_eq!(site(&[("SESSION_COOKIE_PATH", "")]).cookie.path, "/");
    let long = format!("/{}", "x".repeat(500));
    assert_refused("SESSION_COOKIE_PATH", &["app", "/a;b", "/a b", "https://example.com/", "/ü", "/a\nb"]);
    assert!(refusal(&[("SESSION_COOKIE_PATH", &long)]).contains("at most 500"));
    assert!(refusal(&[("SESSION_COOKIE_FORMER_PATHS", "/a,b")]).starts_with("SESSION_COOKIE_FORMER_PATHS is \"b\""));
    assert!(refusal(&[("SESSION_COOKIE_FORMER_DOMAINS", "a_b")]).starts_with("SESSION_COOKIE_FORMER_DOMAINS is "));
    assert!(refusal(&[("SESSION_COOKIE_FORMER_PATHS", "/1,/2,/3,/4,/5")]).contains("has 5 parts; expected at most 4"));
}

#[test]
fn a_cookie_of_one_host_has_the_path_of_the_whole_host() {
    let host = [("SESSION_COOKIE_NAME", "__Host-s"), ("SESSION_COOKIE_SECURE", "true")];
    let with = |name, value| [host.as_slice(), &[(name, value)]].concat();
    assert!(refusal(&with("SESSION_COOKIE_PATH", "/app")).contains("SESSION_COOKIE_PATH=/"));
    assert_eq!(site(&with("SESSION_COOKIE_PATH", "/")).cookie.path, "/");
    for (name, value) in [("SESSION_COOKIE_FORMER_DOMAINS", "a.com"), ("SESSION_COOKIE_FORMER_PATHS", "/a")] {
        assert!(refusal(&with(name, value)).contains("never had"), "{name}");
    }
}

#[test]
fn how_long_the_browser_keeps_the_cookie_is_said_as_in_django() {
    let said = site(&[("SESSION_EXPIRE_AT_BROWSER_CLOSE", "True"), ("SESSION_SAVE_EVERY_REQUEST", "True")]);
    assert!(said.cookie.of_the_browser && said.save_every_request);
    assert_refused("SESSION_EXPIRE_AT_BROWSER_CLOSE", &["maybe"]);
    assert_refused("SESSION_SAVE_EVERY_REQUEST", &["2"]);
}

#[test]
fn cookies_that_browsers_would_drop_are_refused() {
    let secure = ("SESSION_COOKIE_SECURE", "true");
    let domain = ("SESSION_COOKIE_DOMAIN", "example.com");
    for name in ["__Host-session", "__host-session", "__Secure-session"] {
        assert!(refusal(&[("SESSION_COOKIE_NAME", name)]).contains("secure cookie"));
        assert_eq!(site(&[("SESSION_COOKIE_NAME", name), secure]).cookie.name, name);
    }
    assert!(refusal(&[("SESSION_COOKIE_NAME", "__Host-s"), secure, domain]).contains("SESSION_COOKIE_DOMAIN"));
    assert_eq!(site(&[("SESSION_COOKIE_NAME", "__Secure-s"), secure, domain]).cookie.name, "__Secure-s");
    assert!(refusal(&[("SESSION_COOKIE_SAMESITE", "None")]).contains("secure cookie"));
    assert_eq!(site(&[("SESSION_COOKIE_SAMESITE", "None"), secure]).cookie.same_site, SameSite::None);
}

#[test]
fn local_origins_are_allowed_by_default() {
    let bound = "127.0.0.1:45678".parse().unwrap();
    let both_hosts = |ports: &[u16]| ports.iter().flat_map(|port| local_origins(*port)).collect::<BTreeSet<_>>();
    assert_eq!(site(&[]).allowed_origins(bound), both_hosts(&[8000, 8001, 45678]));
    let moved = site(&[("SITE_ADDR", "127.0.0.1:0"), ("API_ADDR", "127.0.0.1:9001")]);
    assert_eq!(moved.allowed_origins(bound), both_hosts(&[8000, 8001, 9001, 45678]));
}

#[test]
fn configured_origins_are_written_as_browsers_write_them() {
    let settings = site(&[
        ("SITE_ORIGIN", "https://Shop.example:443/, http://[::1]:8000"),
        ("API_ORIGIN", "HTTPS://api.shop.example"),
    ]);
    let allowed = settings.allowed_origins("0.0.0.0:8000".parse().unwrap());
    assert_eq!(
        allowed.into_iter().collect::<Vec<_>>(),
        ["http://[::1]:8000", "https://api.shop.example", "https://shop.example"]
    );
    for name in ["SITE_ORIGIN", "API_ORIGIN"] {
        assert_refused(
            name,
            &[
                "null",
                "*",
                "shop.example",
                "ftp://shop.example",
                "https://shop.example/path",
                "https://u@shop.example",
                "https://shop.example:0",
                "https://*.example",
            ],
        );
    }
    assert!(refusal(&[("SITE_ORIGIN", "https://a.example,,")]).starts_with("SITE_ORIGIN is \"\""));
}

#[test]
fn links_stay_on_the_host_that_the_visitor_uses() {
    let local = site(&[("API_ADDR", "127.0.0.1:0")]);
    assert_eq!(local.api_origin(Some("127.0.0.1:8000")), "http://127.0.0.1:8001");
    assert_eq!(local.api_origin(Some("LOCALHOST:8000")), "http://localhost:8001");
    assert_eq!(local.site_origin(Some("127.0.0.1")), "http://127.0.0.1:8000");
    for unknown in [None, Some("evil.example"), Some("")] {
        assert_eq!(local.api_origin(unknown), "http://localhost:8001");
    }
    let public = site(&[("API_ORIGIN", "https://api.example,https://[::1]:1")]);
    assert_eq!(public.api_origin(Some("[::1]:8000")), "https://[::1]:1");
    assert_eq!(public.api_origin(Some("www.example")), "https://api.example");
}

#[test]
fn trusted_proxies() {
    let proxies = site(&[("TRUSTED_PROXIES", "10.0.0.0/8, fd00::/8,127.0.0.1")]).trusted_proxies;
    assert_eq!(proxies, ["10.0.0.0/8", "fd00::/8", "127.0.0.1/32"].map(|text| Network::parse(text).unwrap()));
    assert_refused("TRUSTED_PROXIES", &["10.0.0.0/33", "10.0.0.1/8", "proxy.example", "all"]);
}

#[test]
fn lifetimes_are_seconds_and_idle_is_not_longer_than_absolute() {
    let settings = site(&[("SESSION_IDLE", "2"), ("SESSION_ABSOLUTE", "3")]);
    assert_eq!((settings.idle.as_secs(), settings.absolute.as_secs()), (2, 3));
    assert_eq!(settings.remembered.as_secs(), 3, "as long as any session may live");
    assert_eq!(site(&[("SESSION_REMEMBER_AGE", "5")]).remembered.as_secs(), 5);
    for name in ["SESSION_IDLE", "SESSION_ABSOLUTE", "SESSION_REMEMBER_AGE"] {
        assert_refused(name, &["0", "-1", "+5", "1h", "1.5", "315360001", "99999999999999999999"]);
    }
    let message = refusal(&[("SESSION_IDLE", "4"), ("SESSION_ABSOLUTE", "3")]);
    assert_eq!(message, "SESSION_IDLE is 4; expected at most SESSION_ABSOLUTE, which is 3");
}

#[test]
fn what_one_client_may_cost_the_others() {
    let limits = site(&[]).limits;
    assert_eq!((limits.anonymous_age.as_secs(), limits.anonymous_size), (86_400, 20_480));
    assert_eq!((limits.anonymous_rate, limits.sign_ins, limits.max_per_user), (Some(300), true, Some(100)));
    let set = [
        ("SESSION_ANONYMOUS_AGE", "60"),
        ("SESSION_ANONYMOUS_SIZE", "1024"),
        ("SESSION_ANONYMOUS_RATE", "0"),
        ("SIGN_IN_LIMIT", "off"),
        ("SESSION_MAX_PER_USER", "0"),
    ];
    let limits = site(&set).limits;
    assert_eq!((limits.anonymous_age.as_secs(), limits.anonymous_size), (60, 1024));
    assert_eq!((limits.anonymous_rate, limits.sign_ins, limits.max_per_user), (None, false, None));
    assert_eq!(site(&[("SESSION_IDLE", "30")]).limits.anonymous_age.as_secs(), 30);
    let django =
        site(&[("SESSION_PROFILE", "django-db"), ("SECRET_KEY", "k"), ("DATABASE_URL", "sqlite://db.sqlite3")]);
    assert_eq!(django.limits.anonymous_age, django.idle, "Django has one lifetime for all");
    assert_refused("SESSION_ANONYMOUS_AGE", &["0", "-1", "1d", "315360001"]);
    assert_refused("SESSION_ANONYMOUS_SIZE", &["0", "511", "524289", "4k"]);
    assert_refused("SESSION_ANONYMOUS_RATE", &["-1", "1000001", "many"]);
    assert_eq!(django.limits.max_per_user, None);
    assert_refused("SESSION_MAX_PER_USER", &["-1", "1000001", "all"]);
    assert_refused("SIGN_IN_LIMIT", &["5", "perhaps"]);
    let message = refusal(&[("SESSION_IDLE", "4"), ("SESSION_ANONYMOUS_AGE", "5")]);
    assert_eq!(message, "SESSION_ANONYMOUS_AGE is 5; expected at most SESSION_IDLE, which is 4");
}

#[test]
fn what_a_failover_may_cost_is_set_for_redis_alone() {
    let redis = [("SESSION_URL", "redis+sentinel://h:1/main"), ("SECRET_KEY", KEY)];
    let with = |more: &[(&'static str, &'static str)]| site(&[&redis[..], more].concat());
    for (text, replicas) in [("0", 0), ("1", 1), ("10", 10)] {
        assert_eq!(with(&[("SESSION_REPLICAS", text)]).replicas, replicas);
    }
    assert!(with(&[("SESSION_FENCED_READS", "on")]).fenced_reads);
    let nothing = site(&[("SESSION_REPLICAS", "0"), ("SESSION_FENCED_READS", "off")]);
    assert_eq!((nothing.replicas, nothing.fenced_reads), (0, false));
    let needs = "it needs sessions in Redis (SESSION_URL=redis://…)";
    assert_eq!(refusal(&[("SESSION_REPLICAS", "2")]), format!("SESSION_REPLICAS is 2; {needs}"));
    assert_eq!(refusal(&[("SESSION_FENCED_READS", "on")]), format!("SESSION_FENCED_READS is on; {needs}"));
    assert_refused("SESSION_REPLICAS", &["11", "-1", "+1", "one", "1.0"]);
    assert_refused("SESSION_FENCED_READS", &["always"]);
}

#[test]
fn the_near_cache_needs_redis() {
    let redis = [("SESSION_URL", "redis://h"), ("SECRET_KEY", KEY)];
    assert!(site(&[&redis[..], &[("NEAR_CACHE", "on")]].concat()).near_cache);
    assert!(!site(&[("NEAR_CACHE", "off")]).near_cache);
    assert!(refusal(&[("NEAR_CACHE", "on")]).starts_with("NEAR_CACHE is on; it needs"));
    assert_refused("NEAR_CACHE", &["redis"]);
}

#[test]
fn durable_sessions_need_redis_the_native_profile_and_no_near_cache() {
    let redis = [("SESSION_URL", "redis://h"), ("SECRET_KEY", KEY), ("SESSION_DURABLE", "on")];
    assert!(site(&redis).durable);
    assert!(!site(&[("SESSION_DURABLE", "off")]).durable);
    assert_refused("SESSION_DURABLE", &["redis"]);
    let django = [("SESSION_PROFILE", "django-cache"), ("DATABASE_URL", "sqlite://d.db")];
    for (needed, more) in [
        ("NEAR_CACHE=off", &[("NEAR_CACHE", "on")][..]),
        ("SESSION_PROFILE=native", &django),
        ("a Redis", &[("SESSION_URL", "sqlite://s.db")]),
    ] {
        let message = refusal(&[more, &redis[..]].concat());
        assert!(message.starts_with(&format!("SESSION_DURABLE is on; it needs {needed}")), "{message}");
    }
    assert!(refusal(&[("SESSION_DURABLE", "on")]).contains("a Redis"));
}

#[test]
fn times_of_an_outage() {
    let settings = site(&[("SESSION_TIMEOUT_MS", "150"), ("SESSION_RETRY_AFTER", "5")]);
    assert_eq!((settings.timeout.as_millis(), settings.retry_after.as_secs()), (150, 5));
    assert_refused("SESSION_TIMEOUT_MS", &["0", "-1", "+5", "300ms", "0.3", "60001"]);
    assert_refused("SESSION_RETRY_AFTER", &["0", "-1", "+5", "1s", "1.5", "86401"]);
}

#[test]
fn log_filters() {
    assert_eq!(site(&[("RUST_LOG", "warn,site=debug")]).log_filter, "warn,site=debug");
    assert_refused("RUST_LOG", &["site=loud"]);
}

#[test]
fn sentinels_have_a_login_of_their_own() {
    let url = ("SESSION_URL", "redis+sentinel://u:hunter2@h:1/main");
    let login = |vars: &[(&str, &str)]| site(&[&[url, ("SECRET_KEY", KEY)], vars].concat()).sentinel_login;
    assert_eq!(login(&[]), None);
    let (user, password) = (("SENTINEL_USERNAME", "watcher"), ("SENTINEL_PASSWORD", "p@?&"));
    let own = |username: &str| SentinelLogin { username: username.into(), password: Secret("p@?&".into()) };
    assert_eq!(login(&[user, password]), Some(own("watcher")));
    assert_eq!(login(&[password]), Some(own("")));
    assert!(!format!("{:?}", login(&[password])).contains("p@?&"));

    let alone = refusal(&[url, ("SECRET_KEY", KEY), user]);
    assert_eq!(alone, "SENTINEL_USERNAME is set; it needs SENTINEL_PASSWORD");
    for other in ["redis://h", "redis+cluster://h:1", "postgres://h/app"] {
        let message = refusal(&[("SESSION_URL", other), ("SECRET_KEY", KEY), ("SENTINEL_PASSWORD", "hunter2")]);
        assert!(message.contains("needs SESSION_URL=redis+sentinel://") && !message.contains("hunter2"), "{message}");
    }
}
