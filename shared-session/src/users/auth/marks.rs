//! The marks of a user in a session, and whether they still hold.

use std::sync::Arc;

use crate::{
    engine::core::owners::{Owner, Owners},
    error::Error,
    keys::{Scheme, SecretKeys},
    record::Identity,
    store::BoxFuture,
    users::{
        AuthUser, Users,
        any_users::{AnyUser, AnyUsers},
        auth::other_key::OtherKey,
        auth_hash::{self, Verified},
    },
};

/// The users of a manager, and the keys that tie sessions to them.
#[derive(Clone)]
pub(in crate::users) struct Auth {
    pub(super) users: Arc<dyn AnyUsers>,
    keys: SecretKeys,
    pub(super) other_key: Arc<OtherKey>,
}

impl Auth {
    pub(super) fn new(users: impl Users, keys: SecretKeys) -> Self {
        Self { users: Arc::new(users), keys, other_key: Arc::default() }
    }

    /// The marks that a session of `user` carries.
    pub(super) fn identity(&self, user: &dyn AuthUser) -> Identity {
        let epoch = if self.has_epochs() { user.epoch() } else { 0 };
        Identity::new(user.id(), auth_hash::make(&self.keys, user.encoded_password()), epoch)
    }

    /// Whether a session with `identity` belongs to `user`, according to the current row.
    pub(super) fn check(&self, identity: &Identity, user: &dyn AuthUser) -> Held {
        let same_epoch = !self.has_epochs() || user.epoch() == identity.epoch;
        if !user.is_active() || user.id() != identity.user_id || !same_epoch {
            return Held::No;
        }
        match auth_hash::verify(&self.keys, user.encoded_password(), &identity.auth_hash) {
            Verified::Current => Held::Yes,
            Verified::Fallback => Held::Renew(self.identity(user)),
            // Sessions from before the introduction of hashes have none.
            Verified::No if identity.auth_hash.is_empty() => Held::No,
            Verified::No => Held::OtherHash,
        }
    }

    /// Django's sessions have no epoch.
    fn has_epochs(&self) -> bool {
        self.keys.scheme() == Scheme::Native
    }
}

impl Owners for Auth {
    fn find<'a>(&'a self, identity: &'a Identity) -> BoxFuture<'a, Result<Option<Box<dyn Owner>>, Error>> {
        Box::pin(async {
            let user = self.users.find(&identity.user_id).await?;
            Ok(user.map(|user| Box::new(Row { auth: self.clone(), user }) as _))
        })
    }

    fn raise_epoch<'a>(&'a self, user_id: &'a str) -> BoxFuture<'a, Result<Option<i64>, Error>> {
        Box::pin(async move {
            if !self.has_epochs() {
                return Ok(None);
            }
            let _forget = self.users.cache().map(|cache| cache.forget_after(user_id));
            self.users.raise_epoch(user_id).await
        })
    }
}

/// A user's row, and the users and keys that check its marks.
struct Row {
    auth: Auth,
    user: AnyUser,
}

impl Owner for Row {
    fn is_active(&self) -> bool {
        self.user.is_active()
    }

    fn holds(&self, identity: &Identity) -> bool {
        self.auth.check(identity, &*self.user).is_valid()
    }
}

/// Whether a session's marks still hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Held {
    No,
    /// Everything except the auth hash matches the user's row: the password is new, or the key is another one.
    OtherHash,
    Yes,
    /// They hold under an earlier key. The session should get these marks before that key is dropped.
    Renew(Identity),
}

impl Held {
    pub(super) fn is_valid(&self) -> bool {
        matches!(self, Self::Yes | Self::Renew(_))
    }
}

#[cfg(all(test, feature = "django"))]
mod tests {
    use super::*;
    use crate::users::User;

    struct OnlyAnn;

    impl Users for OnlyAnn {
        type User = User;
        async fn find(&self, id: &str) -> Result<Option<User>, Error> {
            Ok((id == "1").then(ann))
        }
        async fn find_by_name(&self, _: &str) -> Result<Option<User>, Error> {
            Ok(None)
        }
    }

    fn ann() -> User {
        User::new("1", "ann").with_encoded_password("pbkdf2_sha256$1$salt$hash")
    }

    #[test]
    fn marks_under_an_earlier_key_hold_and_are_renewed() {
        for (old, new) in [
            (SecretKeys::django("old").unwrap(), SecretKeys::django("new").unwrap().with_fallback("old").unwrap()),
            (
                SecretKeys::new("o".repeat(32)).unwrap(),
                SecretKeys::new("n".repeat(32)).unwrap().with_fallback("o".repeat(32)).unwrap(),
            ),
        ] {
            let (old, new) = (Auth::new(OnlyAnn, old), Auth::new(OnlyAnn, new));
            let marks = old.identity(&ann());
            assert_eq!(old.check(&marks, &ann()), Held::Yes);
            assert_eq!(new.check(&marks, &ann()), Held::Renew(new.identity(&ann())));
            assert_eq!(new.check(&new.identity(&ann()), &ann()), Held::Yes);
            assert_eq!(old.check(&new.identity(&ann()), &ann()), Held::OtherHash);
            let mut inactive = ann();
            inactive.is_active = false;
            assert_eq!(new.check(&marks, &inactive), Held::No);
            assert_eq!(new.check(&marks, &ann().with_encoded_password("another")), Held::OtherHash);
            assert_eq!(new.check(&Identity { auth_hash: String::new(), ..marks.clone() }, &ann()), Held::No);
            assert_eq!(new.check(&Identity { user_id: "2".into(), ..marks }, &ann()), Held::No);
        }
    }

    #[test]
    fn an_epoch_counts_unless_the_deployment_is_django_s() {
        let mut raised = ann();
        raised.epoch = 3;
        let native = Auth::new(OnlyAnn, SecretKeys::new("k".repeat(32)).unwrap());
        assert_eq!(native.identity(&raised).epoch, 3);
        assert_eq!(native.check(&native.identity(&ann()), &raised), Held::No);
        let django = Auth::new(OnlyAnn, SecretKeys::django("k").unwrap());
        assert_eq!(django.identity(&raised).epoch, 0);
        assert_eq!(django.check(&django.identity(&ann()), &raised), Held::Yes);
    }
}
