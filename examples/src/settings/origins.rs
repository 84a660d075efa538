//! `SITE_ORIGIN` and `API_ORIGIN`: the origins that may send unsafe requests, and the one that links lead to.

use std::{collections::BTreeSet, net::SocketAddr};

use super::{
    API_PORT, SITE_PORT, Settings,
    authority::{origin, without_port},
};

impl Settings {
    /// The origins that may send unsafe requests and read answers: `SITE_ORIGIN` and `API_ORIGIN`.
    ///
    /// Defaults of each: `http://localhost` and `http://127.0.0.1` with the two default ports, the configured ports and
    /// the port that this service is bound to.
    #[must_use]
    pub fn allowed_origins(&self, bound: SocketAddr) -> BTreeSet<String> {
        let local = [SITE_PORT, API_PORT, self.site_addr.port(), self.api_addr.port(), bound.port()];
        [&self.site_origins, &self.api_origins]
            .into_iter()
            .flat_map(|configured| match configured {
                Some(origins) => origins.clone(),
                None => local.iter().filter(|port| **port != 0).flat_map(|port| local_origins(*port)).collect(),
            })
            .collect()
    }

    /// The origin of `api` to link to from a page that was requested under `host` (a `Host` header).
    ///
    /// The header only selects one of the configured origins, so that a visitor of `127.0.0.1` is not sent to
    /// `localhost`, where the browser does not send the cookie.
    #[must_use]
    pub fn api_origin(&self, host: Option<&str>) -> String {
        let port = self.api_addr.port();
        let local = local_origins(if port == 0 { API_PORT } else { port });
        let origins = self.api_origins.as_deref().unwrap_or(&local);
        let hostname = |text: &str| without_port(text).to_ascii_lowercase();
        let wanted = host.map(hostname);
        let is_wanted = |origin: &&String| origin.split_once("://").map(|(_, host)| hostname(host)) == wanted;
        origins.iter().find(is_wanted).unwrap_or(&origins[0]).clone()
    }
}

fn local_origins(port: u16) -> [String; 2] {
    ["localhost", "127.0.0.1"].map(|host| origin("http", host, Some(port)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::testing::{assert_refused, refusal, site};

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
        for unknown in [None, Some("evil.example"), Some("")] {
            assert_eq!(local.api_origin(unknown), "http://localhost:8001");
        }
        let public = site(&[("API_ORIGIN", "https://api.example,https://[::1]:1")]);
        assert_eq!(public.api_origin(Some("[::1]:8000")), "https://[::1]:1");
        assert_eq!(public.api_origin(Some("www.example")), "https://api.example");
    }
}
