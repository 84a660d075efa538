//! Type-erased users, so that managers, layers and sessions need no type parameter for them.

use std::{
    any::{Any, TypeId, type_name},
    collections::BTreeSet,
    sync::Arc,
};

use super::{AuthUser, Users, cache::UserCache};
use crate::{
    error::{Error, ErrorKind},
    store::BoxFuture,
    type_name::without_paths,
};

/// A user of the type that the manager's users have.
pub(super) type AnyUser = Arc<dyn AuthUser>;

/// The object-safe form of the [`Users`] methods that a session needs.
pub(super) trait AnyUsers: Send + Sync {
    /// Fails with an error that names both types, unless these users are of type `wanted`.
    fn check_type(&self, wanted: TypeId, wanted_name: &'static str) -> Result<(), Error>;
    fn find<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<AnyUser>, Error>>;
    fn verify<'a>(&'a self, name: &'a str, password: &'a str) -> BoxFuture<'a, Result<Option<AnyUser>, Error>>;
    fn raise_epoch<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<i64>, Error>>;
    fn cache(&self) -> Option<&UserCache>;
    fn permissions<'a>(&'a self, user: &'a dyn AuthUser) -> BoxFuture<'a, Result<BTreeSet<String>, Error>>;
    fn groups<'a>(&'a self, user: &'a dyn AuthUser) -> BoxFuture<'a, Result<Vec<String>, Error>>;
}

impl<T: Users> AnyUsers for T {
    fn check_type(&self, wanted: TypeId, wanted_name: &'static str) -> Result<(), Error> {
        if wanted == TypeId::of::<T::User>() { Ok(()) } else { Err(other_type(type_name::<T::User>(), wanted_name)) }
    }

    fn find<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<AnyUser>, Error>> {
        Box::pin(async { Ok(Users::find(self, id).await?.map(erased)) })
    }

    fn verify<'a>(&'a self, name: &'a str, password: &'a str) -> BoxFuture<'a, Result<Option<AnyUser>, Error>> {
        Box::pin(async { Ok(Users::verify(self, name, password).await?.map(erased)) })
    }

    fn raise_epoch<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<i64>, Error>> {
        Box::pin(Users::raise_epoch(self, id))
    }

    fn cache(&self) -> Option<&UserCache> {
        Users::cache(self)
    }

    fn permissions<'a>(&'a self, user: &'a dyn AuthUser) -> BoxFuture<'a, Result<BTreeSet<String>, Error>> {
        Box::pin(async { Users::permissions(self, of_type(user)?).await })
    }

    fn groups<'a>(&'a self, user: &'a dyn AuthUser) -> BoxFuture<'a, Result<Vec<String>, Error>> {
        Box::pin(async { Users::groups(self, of_type(user)?).await })
    }
}

fn erased(user: impl AuthUser) -> AnyUser {
    Arc::new(user)
}

/// Downcasts `user` to its own type.
pub(super) fn of_type<U: AuthUser>(user: &dyn AuthUser) -> Result<&U, Error> {
    (user as &dyn Any).downcast_ref().ok_or_else(|| other_type("another type", type_name::<U>()))
}

fn other_type(users: &str, wanted: &str) -> Error {
    let short = (without_paths(users), without_paths(wanted));
    // Equal names need their crates. Ours are public one module above.
    let public = |name: &str| name.replace("::users::user::", "::users::");
    let (users, wanted) = if short.0 == short.1 { (public(users), public(wanted)) } else { short };
    let message = format!(
        "the users of the session manager are {users}, and not {wanted}: name their type, as in CurrentUser<Account> \
         or user_as::<Account>()"
    );
    Error::new(ErrorKind::Config, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_types_without_private_paths_and_tells_equal_names_apart() {
        let told = |users, wanted| other_type(users, wanted).to_string();
        let own = type_name::<super::super::User>();
        assert!(told(own, "blog::db::Account").contains("are User, and not Account:"));
        assert!(told("blog::db::User", own).contains("are blog::db::User, and not shared_session::users::User:"));
    }
}
