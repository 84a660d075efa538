use std::borrow::Cow;

use shared_session::{
    Error,
    users::{AuthUser, Users},
};

/// A user of an application-defined type. `sue` is staff.
#[derive(Clone, Debug)]
pub struct Account(pub &'static str);

impl AuthUser for Account {
    fn id(&self) -> Cow<'_, str> {
        self.0.into()
    }
    fn encoded_password(&self) -> &str {
        "!"
    }
    fn is_staff(&self) -> bool {
        self.0 == "sue"
    }
}

/// The accounts `ann` and `sue`, without permissions and groups.
#[derive(Clone, Copy, Debug)]
pub struct Accounts;

impl Users for Accounts {
    type User = Account;

    async fn find(&self, id: &str) -> Result<Option<Account>, Error> {
        Ok(["ann", "sue"].into_iter().find(|name| *name == id).map(Account))
    }
    async fn find_by_name(&self, name: &str) -> Result<Option<Account>, Error> {
        self.find(name).await
    }
}
