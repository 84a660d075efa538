//! A browser for one host that distinguishes cookies by domain and path.

use super::{Answer, COOKIE, Request, Service, html};

/// The host name of the services.
pub const HOST: &str = "app.example.com";

/// The cookies, stored as in RFC 6265, 5.3.
#[derive(Clone, Debug, Default)]
pub struct ScopedBrowser {
    jar: Vec<Cookie>,
}

#[derive(Clone, Debug)]
pub struct Cookie {
    name: String,
    value: String,
    /// `None`: for the host only.
    domain: Option<String>,
    path: String,
}

impl Cookie {
    fn is_at(&self, other: &Self) -> bool {
        (&self.name, &self.domain, &self.path) == (&other.name, &other.domain, &other.path)
    }

    fn goes_to(&self, path: &str) -> bool {
        path.strip_prefix(&self.path)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || self.path.ends_with('/'))
    }
}

impl ScopedBrowser {
    /// Its cookies of a name, as `domain path`.
    pub fn scopes_of(&self, name: &str) -> Vec<String> {
        let ours = self.jar.iter().filter(|cookie| cookie.name == name);
        ours.map(|cookie| format!("{} {}", cookie.domain.as_deref().unwrap_or("-"), cookie.path)).collect()
    }

    /// The scope of the session cookie.
    #[track_caller]
    pub fn session_scope(&self) -> String {
        let scopes = self.scopes_of(COOKIE);
        assert_eq!(scopes.len(), 1, "{:?}", self.jar);
        scopes.concat()
    }

    /// Adds a cookie, as if set by a neighbour or an earlier configuration.
    pub fn plant(&mut self, name: &str, value: &str, domain: Option<&str>, path: &str) {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.jar.push(Cookie { name, value, domain: domain.map(str::to_owned), path: path.to_owned() });
    }

    /// The value of the session cookie.
    pub fn session(&self) -> Option<&str> {
        self.jar.iter().find(|cookie| cookie.name == COOKIE).map(|cookie| cookie.value.as_str())
    }

    pub async fn send(&mut self, path: &str, request: Request) -> Answer {
        let mut sent: Vec<_> = self.jar.iter().filter(|cookie| cookie.goes_to(path)).collect();
        sent.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let header: Vec<_> = sent.iter().map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        let answer = request.header("host", &format!("{HOST}:8000")).cookies(&header.join("; ")).send().await;
        for line in answer.set_cookies() {
            self.keep(line);
        }
        answer
    }

    pub async fn get(&mut self, service: &Service, path: &str) -> Answer {
        self.send(path, service.get(path)).await
    }

    /// Opens a page of `site` and submits the form on it.
    pub async fn submit(&mut self, site: &Service, path: &str, fields: &[(&str, &str)]) -> Answer {
        let page = self.get(site, path).await;
        let mut all = html::form(&page.body, path);
        all.retain(|(name, _)| !fields.iter().any(|(field, _)| field == name));
        let hidden = all.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let filled: Vec<_> = hidden.chain(fields.iter().copied()).collect();
        self.send(path, site.post(path).form(&filled)).await
    }

    fn keep(&mut self, line: &str) {
        let mut parts = line.split("; ");
        let (name, value) = parts.next().unwrap().split_once('=').unwrap();
        let attributes: Vec<_> = parts.map(|part| part.split_once('=').unwrap_or((part, ""))).collect();
        let attribute =
            |name| attributes.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let domain = attribute("Domain");
        if domain.as_ref().is_some_and(|domain| HOST != domain && !HOST.ends_with(&format!(".{domain}"))) {
            return;
        }
        let path = attribute("Path").expect("a path");
        let cookie = Cookie { name: name.to_owned(), value: value.to_owned(), domain, path };
        self.jar.retain(|kept| !kept.is_at(&cookie));
        if attribute("Max-Age").as_deref() != Some("0") {
            self.jar.push(cookie);
        }
    }
}
