//! From settings to running parts: the users, the sessions and the limits on attempts.

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc};

use shared_session::{
    Error, SessionManager,
    csrf::{CrossOrigin, FormTokens},
    users::{SqlUsers, UserCache},
};

use crate::{
    cookies, data_dir, metrics, prefix::Prefix, secret_key, sessions, settings::Settings, throttles::Throttles, users,
};

/// The parts of both services. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The settings.
    pub settings: Arc<Settings>,
    /// The users.
    pub users: SqlUsers,
    /// The sessions.
    pub manager: SessionManager,
    /// The limits on attempts.
    pub throttles: Throttles,
    forms: FormTokens,
}

impl Setup {
    /// Connects all parts, creates missing tables, and in an embedded database the user `demo`. The start succeeds
    /// while Redis is down: `/readyz` reports it, and requests that need it get 503. The start fails if the user
    /// database is down.
    ///
    /// # Errors
    /// One line with the setting to change.
    pub async fn open(settings: Settings) -> Result<Self, Error> {
        if settings.has_env_file {
            tracing::info!("settings that the environment lacks are read from .env in the working directory");
        }
        if !settings.unknown.is_empty() {
            tracing::warn!("not settings, and of no effect: {}", settings.unknown.join(", "));
        }
        metrics::start(&settings)?;
        data_dir::prepare(&settings)?;
        let keys = secret_key::keys(&settings)?;
        let users = users::open(&settings).await?;
        let users = if settings.user_cache { users.with_cache(UserCache::new()) } else { users };
        let forms = cookies::form_tokens(&settings, &keys)?;
        let manager = sessions::open(&settings, &keys, &users).await?;
        let manager = manager.with_form_tokens(forms.clone());
        sessions::fleet::verify(&settings, &manager).await?;
        if settings.has_embedded_users() {
            users::make_demo_user(&users, &settings.data_dir).await?;
        }
        let throttles = Throttles::new(&settings, &manager, keys)?;
        Ok(Self { settings: Arc::new(settings), users, manager, throttles, forms })
    }

    /// The check of unsafe requests, once the service is bound.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](shared_session::ErrorKind::Config) for an invalid origin.
    pub fn cross_origin(&self, bound: SocketAddr) -> Result<CrossOrigin, Error> {
        CrossOrigin::new(self.allowed_origins(bound))
    }

    /// The origins that [`cross_origin`](Self::cross_origin) allows.
    #[must_use]
    pub fn allowed_origins(&self, bound: SocketAddr) -> BTreeSet<String> {
        self.settings.allowed_origins(bound)
    }

    /// The form tokens of `site` for pages under `prefix`.
    #[must_use]
    pub fn forms_under(&self, prefix: &Prefix) -> FormTokens {
        cookies::form_tokens_under(&self.forms, prefix, &self.settings)
    }

    /// The names of the parts that are down; empty if the service is ready. One round trip to each part, and one more
    /// while the store refuses writes.
    pub async fn down(&self) -> Vec<&'static str> {
        let (sessions, users) = tokio::join!(self.manager.ping(), self.users.ping());
        // A store that refuses writes still answers `ping`.
        let writes = if sessions.is_ok() { self.manager.check_writes().await } else { Ok(()) };
        let mut down = Vec::new();
        for (name, result) in [("sessions", sessions), ("sessions (writes are refused)", writes), ("users", users)] {
            if let Err(error) = result {
                tracing::warn!(part = name, %error, "not ready");
                down.push(name);
            }
        }
        down
    }
}
