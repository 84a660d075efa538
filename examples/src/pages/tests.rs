use super::*;
use crate::{forms::FieldError, prefix::Prefix};

const EVIL: &str = "\"><script>alert('x')</script>&";

fn signed_in(name: &str, is_staff: bool) -> Visitor {
    Visitor::SignedIn(SignedIn { username: name.into(), is_staff })
}

fn layout() -> Layout {
    Layout {
        visitor: signed_in("ada", true),
        csrf_token: "the-token".into(),
        theme: Theme::System,
        language: Language::English,
        api_origin: "http://localhost:8001".into(),
        notice: None,
        alert: None,
        prefix: Prefix::default(),
    }
}

fn when(ago: i64) -> When {
    When { at: 1_790_000_000 - ago, now: 1_790_000_000 }
}

fn device(handle: &str, user_agent: &str) -> Device {
    let mut device = Device::new(handle, Some(when(90_000)), Some(when(200)), user_agent);
    device.address = Some("203.0.113.9".into());
    device
}

fn named(name: &str) -> Text {
    Text::new("user-named").with("name", name)
}

fn view(name: &str) -> SessionView {
    SessionView {
        handle: Some("AbCdEfGh123456".into()),
        user: Some(name.into()),
        created: Some(when(90).rfc3339()),
        expires: None,
        visits: Some(3),
        entries: vec![EntryView { name: format!("pref.{name}"), value: Some(name.into()) }],
    }
}

fn user(name: &str) -> UserRow {
    UserRow {
        id: "7".into(),
        name: named(name),
        email: format!("{name}@example.com"),
        is_active: true,
        is_staff: false,
        is_superuser: false,
        last_login: Some(when(7_300)),
    }
}

fn live(name: &str) -> Vec<LiveSession> {
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    let owner = SessionUser { id: "7".into(), name: named(name) };
    vec![
        LiveSession {
            device: Device { is_current: true, ..device("AbCdEfGh123456", firefox) },
            user: Some(owner),
            may_end: true,
        },
        LiveSession { device: device("ZyXwVuTs987654", "curl/8"), user: None, may_end: true },
    ]
}

/// Every page, with `name` in every place that a visitor can fill.
fn all(layout: &Layout, name: &str) -> Vec<(&'static str, String)> {
    let layout = || {
        let visitor = match &layout.visitor {
            Visitor::SignedIn(user) => signed_in(name, user.is_staff),
            other => other.clone(),
        };
        Layout { visitor, ..layout.clone() }
    };
    let text = || name.to_owned();
    let errors =
        |fields: &[&'static str]| FieldErrors(fields.iter().map(|field| FieldError::new(field, named(name))).collect());
    let devices = vec![
        Device { is_current: true, ..device("AbCdEfGh123456", "Mozilla/5.0 (Macintosh) Safari/605") },
        device("ZyXwVuTs987654", name),
    ];
    let count = |name, value, note| Count { name, value, note };
    let counts = vec![
        count(Text::new("admin-count-users"), Some(1_204), None),
        count(Text::new("admin-count-sessions"), None, Some(Text::new("admin-note-at-least"))),
    ];
    let values = vec![(text(), 3), (text(), 0)];
    let charts = vec![Chart { title: Text::new("chart-started"), values }];
    let filter = SessionFilter { user: text(), address: text(), age: Age::OverDay };
    let admin_user = AdminUser {
        layout: layout(),
        user: user(name),
        groups: vec![text()],
        permissions: vec![text()],
        errors: errors(&["new_password1"]),
        is_self: false,
        allowed: Allowed { active: true, staff: true, sign_out: true, secrets: true, rights: true },
        sessions: live(name),
        page: 1,
        pages: 2,
    };
    let choice = |is_held| Choice { name: text(), title: text(), is_held, is_free: !is_held };
    let rights = AdminRights {
        layout: layout(),
        id: "7".into(),
        name: named(name),
        is_superuser: true,
        groups: vec![choice(true), choice(false)],
        apps: vec![Choices { name: text(), choices: vec![choice(true), choice(false)] }],
    };
    let groups = AdminGroups {
        layout: layout(),
        groups: vec![GroupRow { id: 7, name: text(), permissions: 2 }],
        page: 1,
        pages: 2,
        may_add: true,
        errors: errors(&["name"]),
        typed: text(),
    };
    let group = AdminGroup {
        layout: layout(),
        id: 7,
        name: text(),
        members: 2,
        apps: vec![Choices { name: text(), choices: vec![choice(true), choice(false)] }],
        allowed: AllowedGroup { rename: true, change: true, delete: true },
        errors: errors(&["name"]),
        typed: text(),
    };
    let rights_ask = AdminRightsAsk {
        layout: layout(),
        path: "/admin/users/7/rights".into(),
        back: "/admin/users/7".into(),
        tab: "/admin/users",
        question: Text::new("admin-rights-ask").with_text("name", named(name)),
        effect: Text::new("admin-rights-effect"),
        changes: vec![AskedChange { said: Text::new("admin-rights-joins"), field: "add-group", names: vec![text()] }],
    };
    let profile = Profile {
        layout: Layout { notice: Some(named(name)), ..layout() },
        username: text(),
        email: text(),
        joined: Some(when(40_000_000)),
        signed_in: Some(when(90)),
        role: Text::new("role-staff"),
        groups: vec![text()],
        permissions: vec![text()],
    };
    let users = AdminUsers {
        layout: layout(),
        filter: UserFilter { query: text(), ..UserFilter::default() },
        incomplete: true,
        page: 2,
        pages: 3,
        total: 41,
        users: vec![user(name), UserRow { last_login: None, ..user("grace") }],
    };
    let login = Login {
        layout: layout(),
        error: Some(Text::new("login-wrong")),
        username: text(),
        remember: true,
        next: text(),
        demo: Some(("demo", "demo-password")),
    };
    let registration = Register {
        layout: layout(),
        errors: errors(&["username", "password2"]),
        username: text(),
        email: text(),
        next: text(),
    };
    let entries = vec![LogRow {
        at: when(90),
        staff: text(),
        action: Text::new("log-activate"),
        subject: text(),
        address: text(),
    }];
    let refused_user = RefusedUser { username: text(), login: format!("{}/login", layout().prefix) };
    let refused = ErrorPage::new(layout(), 403, named(name)).with_refused_user(Some(refused_user));
    let pages: Vec<(&'static str, askama::Result<String>)> = vec![
        ("home", Home { layout: layout(), view: view(name), chosen: None, greeting: None }.render()),
        ("login", login.render()),
        ("register", registration.render()),
        ("preferences", Preferences { layout: layout(), chosen: Some(Language::Chinese), next: text() }.render()),
        ("sign_out", SignOut { layout: layout() }.render()),
        ("password", Password { layout: layout(), errors: errors(&["old_password"]) }.render()),
        ("confirm", Confirm { layout: layout(), error: Some(named(name)), next: text() }.render()),
        ("profile", profile.render()),
        ("sessions", Sessions { layout: layout(), devices, page: 2, pages: 3 }.render()),
        ("admin_overview", AdminOverview { layout: layout(), counts, charts }.render()),
        ("admin_users", users.render()),
        ("admin_user", admin_user.render()),
        (
            "admin_sessions",
            AdminSessions { layout: layout(), sessions: live(name), next: Some(text()), filter }.render(),
        ),
        ("admin_log", AdminLog { layout: layout(), entries, page: 2, has_more: true, is_kept: false }.render()),
        ("admin_revoke", AdminRevoke { layout: layout(), handles: vec![text(), text()] }.render()),
        ("admin_groups", groups.render()),
        ("admin_group", group.render()),
        ("admin_rights", rights.render()),
        ("admin_rights_ask", rights_ask.render()),
        ("error", refused.render()),
    ];
    pages.into_iter().map(|(page, html)| (page, html.unwrap())).collect()
}

/// The elements of a page in order: the tag and whether it closes.
fn tags(html: &str) -> Vec<(&str, bool)> {
    html.split('<')
        .skip(1)
        .filter(|rest| !rest.starts_with('!'))
        .map(|rest| {
            let inside = rest.split('>').next().unwrap();
            let name = inside.trim_start_matches('/').split([' ', '\n']).next().unwrap();
            (name, inside.starts_with('/'))
        })
        .collect()
}

fn forms(html: &str) -> Vec<&str> {
    html.split("<form").skip(1).map(|rest| rest.split("</form>").next().unwrap()).collect()
}

#[test]
fn every_page_escapes_the_input_of_visitors() {
    for (page, html) in all(&layout(), EVIL) {
        assert!(!html.contains("<script>") && !html.contains(EVIL), "{page}");
        assert!(html.contains("script&#62;alert("), "{page} does not show the value at all");
    }
}

#[test]
fn every_posted_form_carries_the_token() {
    let mut posted = 0;
    for (page, html) in all(&layout(), "ada") {
        for form in forms(&html).into_iter().filter(|form| form.contains("method=\"post\"")) {
            if form.contains("action=\"http://localhost:8001/") {
                assert!(!form.contains("the-token"), "{page}: {form}");
                continue;
            }
            let field = "<input type=\"hidden\" name=\"csrfmiddlewaretoken\" value=\"the-token\">";
            assert_eq!(form.matches(field).count(), 1, "{page}: {form}");
            posted += 1;
        }
    }
    assert!(posted > 20);
}

#[test]
fn no_token_is_put_into_an_address() {
    for (page, html) in all(&layout(), "ada") {
        for form in forms(&html).into_iter().filter(|form| !form.contains("method=\"post\"")) {
            assert!(!form.contains("the-token"), "{page}");
        }
    }
}

#[test]
fn every_element_is_closed_where_it_was_opened() {
    const VOID: [&str; 4] = ["meta", "link", "input", "br"];
    for name in ["ada", EVIL] {
        for (page, html) in all(&layout(), name) {
            let mut open = Vec::new();
            for (tag, closes) in tags(&html).into_iter().filter(|(tag, _)| !VOID.contains(tag)) {
                if closes {
                    assert_eq!(open.pop(), Some(tag), "{page}");
                } else {
                    open.push(tag);
                }
            }
            assert!(open.is_empty(), "{page}: {open:?}");
        }
    }
}

#[test]
fn every_visible_input_has_a_label_and_ids_are_unique() {
    for (page, html) in all(&layout(), "ada") {
        let inputs = html.split("<input").skip(1).chain(html.split("<select").skip(1));
        for input in inputs.map(|rest| rest.split('>').next().unwrap()) {
            if input.contains("type=\"hidden\"") || input.contains("aria-hidden") {
                continue;
            }
            let id = input.split(" id=\"").nth(1).unwrap().split('"').next().unwrap();
            assert!(html.contains(&format!(" for=\"{id}\"")), "{page}: {id}");
        }
        let mut ids: Vec<_> = html.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        ids.sort_unstable();
        let count = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), count, "{page}");
    }
}

#[test]
fn pages_need_nothing_that_the_policy_forbids() {
    assert!(content_security_policy("http://localhost:8001").contains("connect-src 'self' http://localhost:8001;"));
    for (page, html) in all(&layout(), "ada") {
        assert!(!html.contains("style=") && !html.contains("<style") && !html.contains(" onclick"), "{page}");
        for script in html.split("<script").skip(1) {
            assert!(script.starts_with(" src=\"/static/site.js\""), "{page}");
        }
        for file in html.split("\"/static/").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            assert!(STATIC_FILES.iter().any(|(path, ..)| *path == format!("/static/{file}")), "{page}: {file}");
        }
    }
}

#[test]
fn errors_lead_to_their_field() {
    let register = |errors| {
        let (email, next) = (String::new(), String::new());
        let page = Register { layout: Layout::default(), errors, username: "ada".into(), email, next };
        page.render().unwrap()
    };
    let begins_at = |html: &str, field: &str| {
        let begins: Vec<_> = html.split('<').filter(|tag| tag.contains(" autofocus")).collect();
        assert!(begins.len() == 1 && begins[0].starts_with(&format!("input id=\"{field}\"")), "{begins:?}");
    };
    begins_at(&register(FieldErrors::default()), "username");
    let html = register(FieldErrors(vec![FieldError::new("password2", Text::new("form-passwords-differ"))]));
    begins_at(&html, "password2");
    assert!(html.contains("<a href=\"#password2\">The two passwords are not the same.</a>"));
    assert_eq!(html.matches("aria-invalid").count(), 1);
    assert!(html.contains("value=\"ada\"") && !html.contains("type=\"password\" value"));
}

#[test]
fn every_link_on_every_page_is_under_the_prefix() {
    let layout = Layout { prefix: Prefix::parse("/accounts").unwrap(), ..layout() };
    let mut addresses = 0;
    for (page, html) in all(&layout, "ada") {
        for attribute in [" href=\"", " action=\"", " src=\""] {
            for address in html.split(attribute).skip(1).map(|rest| rest.split('"').next().unwrap()) {
                let is_of_api = address.starts_with(&layout.api_origin);
                assert!(
                    address.starts_with("/accounts/") || address.starts_with('#') || is_of_api,
                    "{page}: {address}"
                );
                addresses += 1;
            }
        }
    }
    assert!(addresses > 100, "{addresses}");
}

#[test]
fn the_header_shows_the_signed_in_user() {
    let page = |visitor| {
        Home { layout: Layout { visitor, ..layout() }, view: SessionView::default(), chosen: None, greeting: None }
            .render()
            .unwrap()
    };
    let nobody = page(Visitor::Anonymous);
    assert!(
        nobody.contains("href=\"/login\"") && !nobody.contains("action=\"/logout\"") && !nobody.contains("/admin/")
    );
    let visitor = page(signed_in("ada", false));
    assert!(visitor.contains("action=\"/logout\"") && !visitor.contains("/admin/"));
    assert!(page(signed_in("ada", true)).contains("/admin/"));
}

#[test]
fn a_page_without_the_session_does_not_claim_that_nobody_is_signed_in() {
    let html = ErrorPage::new(Layout::default(), 503, Text::new("error-unavailable")).render().unwrap();
    assert!(!html.contains("/login") && !html.contains("/logout"));
}

#[test]
fn themes_and_languages_come_from_their_preferences() {
    let page = |theme: &str, code: &str| {
        let layout = Layout { theme: Theme::from_preference(theme), ..layout() };
        let (chosen, greeting) = (Language::of_tag(code), Greeting::from_preference(code));
        Home { layout, view: SessionView::default(), chosen, greeting }.render().unwrap()
    };
    let dark = page("dark", "de-AT");
    assert!(dark.contains("data-theme=\"dark\"") && dark.contains("<option value=\"dark\" selected>"));
    assert!(dark.contains("<span lang=\"de\">Willkommen</span>"));
    let unknown = page(EVIL, EVIL);
    assert!(!unknown.contains("data-theme") && unknown.contains("<option value=\"system\" selected>"));
    assert!(unknown.contains("<span lang=\"en\">Welcome</span>"));
    assert!(page("", "zh").contains("<option value=\"zh-CN\" lang=\"zh-CN\" selected>"));
}

/// The visible text: between the tags, and in the attributes that screen readers read out.
fn visible(html: &str) -> String {
    let mut seen = String::new();
    for part in html.split('<').skip(1) {
        let (tag, text) = part.split_once('>').unwrap_or((part, ""));
        if tag.starts_with("script") || tag.starts_with("style") || tag.starts_with("code") {
            continue;
        }
        for attribute in [" aria-label=\"", " placeholder=\"", " alt=\""] {
            seen.extend(tag.split(attribute).nth(1).and_then(|rest| rest.split('"').next()));
            seen.push('\n');
        }
        seen.push_str(text);
        seen.push('\n');
    }
    seen
}

#[test]
fn no_page_in_chinese_has_english_on_it() {
    // Proper names, and texts for readers of the other language.
    let names = [
        "shared", "session", "site", "api", "API", "Actix", "Web", "Axum", "POST", "Language", "English", "Firefox",
        "Linux", "Safari", "macOS", "curl", "ada", "grace", "example", "com", "demo", "password", "the", "AbCdEfGh",
        "ZyXwVuTs", "HTML", "Django", "UTC", "JSON", "Cookie", "Redis", "SQL", "visits",
    ];
    let layout = Layout { language: Language::Chinese, ..layout() };
    for (page, html) in all(&layout, "ada") {
        assert!(html.starts_with("<!doctype html>\n<html lang=\"zh-CN\""), "{page}");
        let text = visible(&html);
        let words = text.split(|c: char| !(c.is_ascii_alphabetic())).filter(|word| word.len() > 2);
        let english: Vec<_> = words.filter(|word| !names.contains(word)).collect();
        assert!(english.is_empty(), "{page}: {english:?}");
    }
}

#[test]
fn a_user_who_may_not_be_changed_has_no_buttons() {
    let page = |may_change| {
        let [active, staff, sign_out, secrets, rights] = [may_change; 5];
        let allowed = Allowed { active, staff, sign_out, secrets, rights };
        let user = UserRow { is_active: false, ..user("ada") };
        AdminUser {
            layout: layout(),
            user,
            groups: vec![],
            permissions: vec![],
            errors: FieldErrors::default(),
            is_self: false,
            allowed,
            sessions: vec![],
            page: 1,
            pages: 1,
        }
        .render()
        .unwrap()
    };
    assert!(page(true).contains("name=\"on\" value=\"true\"") && page(true).contains(">Activate<"));
    assert!(page(true).contains("/rights\"") && !page(false).contains("/rights\""));
    assert!(!page(false).contains("/active\""));
}

#[test]
fn searches_are_encoded_in_addresses() {
    let filter = UserFilter { query: "a&b=c d".into(), ..UserFilter::default() };
    let (layout, users) = (layout(), vec![]);
    let html = AdminUsers { layout, filter, incomplete: false, page: 1, pages: 2, total: 30, users };
    let html = html.render().unwrap();
    assert!(html.contains("/admin/users?q=a%26b%3Dc%20d&#38;page=2") && !html.contains("rel=\"prev\""));
}

#[test]
fn a_device_shows_readers_only_the_beginning_of_a_handle() {
    assert_eq!(device("AbCdEfGh123456", "").short_handle(), "AbCdEfGh");
    assert_eq!(device("äöü", "").short_handle(), "äöü");
    assert_eq!(device("ääääää", "").short_handle(), "ääää");
}

#[test]
fn an_outage_of_the_home_page_offers_that_page_once() {
    for (path, links) in [("/", 1), ("/sessions", 2)] {
        let page = ErrorPage::new(layout(), 503, Text::new("error-unavailable"));
        let again = format!("{}{path}", layout().prefix);
        let html = page.with_again(Some(again)).render().unwrap();
        let main = html.split("<main").nth(1).unwrap().split("</main>").next().unwrap();
        assert_eq!(main.matches("href=").count(), links, "{path}: {main}");
    }
}
