//! Custom users that implement only the required methods: the defaults of `AuthUser` and `Users`.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use shared_session::{
    Error, ErrorKind, SecretKeys,
    testing::Fault,
    users::{AuthUser, Guard, PasswordHasher, UnauthenticatedReason, User, Users},
};

use super::{Browser, Fleet, current_user::KEY, kind};

/// Without users nobody can ever sign in, which no visitor can mend.
#[tokio::test]
async fn a_guard_without_users_is_a_configuration_error_for_every_visitor() {
    let fleet = Fleet::new();
    let session = fleet.request(&Browser::default()).load().await.unwrap();
    let refused = Guard::login_required().redirect_to("/login").check(&session).await.unwrap_err();
    assert_eq!(refused.error().kind(), ErrorKind::Config);
    assert!(refused.error().to_string().contains("with_users"), "{}", refused.error());
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) number: u32,
    pub(super) name: &'static str,
    pub(super) password: String,
}

impl AuthUser for Account {
    fn id(&self) -> Cow<'_, str> {
        self.number.to_string().into()
    }
    fn encoded_password(&self) -> &str {
        &self.password
    }
}

#[derive(Clone)]
pub(super) struct Accounts(pub(super) Arc<Mutex<Vec<Account>>>);

impl Users for Accounts {
    type User = Account;

    async fn find(&self, id: &str) -> Result<Option<Account>, Error> {
        Ok(self.0.lock().unwrap().iter().find(|account| account.id() == id).cloned())
    }
    async fn find_by_name(&self, name: &str) -> Result<Option<Account>, Error> {
        Ok(self.0.lock().unwrap().iter().find(|account| account.name == name).cloned())
    }
    fn hasher(&self) -> PasswordHasher {
        cheap()
    }
}

fn cheap() -> PasswordHasher {
    PasswordHasher::pbkdf2_sha256(10).unwrap()
}

async fn encoded(password: &str) -> String {
    cheap().hash(password).await.unwrap()
}

async fn fleet_with_accounts() -> (Fleet, Accounts) {
    let account = async |number, name| Account { number, name, password: encoded("right").await };
    let accounts = Accounts(Arc::new(Mutex::new(vec![account(1, "ann").await, account(2, "bob").await])));
    (fleet_of(accounts.clone()), accounts)
}

fn fleet_of(users: impl Users) -> Fleet {
    let fleet = Fleet::new();
    Fleet { manager: fleet.manager.clone().with_users(users, SecretKeys::new(KEY).unwrap()), ..fleet }
}

async fn signed_in(fleet: &Fleet, accounts: &Accounts, name: &str) -> Browser {
    let account = accounts.find_by_name(name).await.unwrap().unwrap();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.login(&account).unwrap()).await;
    browser
}

async fn name(fleet: &Fleet, browser: &Browser) -> Option<&'static str> {
    fleet.request(browser).load().await.unwrap().user_as::<Account>().await.unwrap().map(|account| account.name)
}

#[tokio::test]
async fn users_come_back_with_their_own_type() {
    let (fleet, accounts) = fleet_with_accounts().await;
    let (handle, session) = fleet.load(&Browser::default()).await;
    for (name, password) in [("ann", "wrong"), ("ann", ""), ("carl", "right")] {
        assert_eq!(session.authenticate_as::<Account>(name, password).await.unwrap(), None, "{name} {password}");
    }
    let ann = session.authenticate_as::<Account>("ann", "right").await.unwrap().unwrap();
    assert_eq!(session.user_as::<Account>().await.unwrap(), None, "the right password signs no user in");
    session.login(&ann).unwrap();
    let mut browser = Browser::default();
    browser.take(&fleet.finish(&handle).await);

    let (_, session) = fleet.load(&browser).await;
    assert_eq!(session.user_as().await.unwrap(), Some(ann.clone()));
    assert_eq!(session.require_user_as::<Account>().await.unwrap(), ann);
    accounts.0.lock().unwrap()[0].password = encoded("another").await;
    assert_eq!(name(&fleet, &browser).await, None, "a new password ends the sessions");
    let anonymous = fleet.load(&browser).await.1.require_user_as::<Account>().await.unwrap_err();
    assert_eq!(UnauthenticatedReason::of(&anonymous), Some(UnauthenticatedReason::Ended));
}

#[tokio::test]
async fn without_epochs_sessions_are_revoked_by_deleting_those_in_the_index() {
    let (fleet, accounts) = fleet_with_accounts().await;
    let (phone, desk) = (signed_in(&fleet, &accounts, "ann").await, signed_in(&fleet, &accounts, "ann").await);
    let bob = signed_in(&fleet, &accounts, "bob").await;
    for operation in ["index_list", "delete"] {
        fleet.faults().fail_next_n(operation, 4, Fault::Refused);
        let failed = fleet.manager.revoke_all("1").await;
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::Unavailable, "{operation}: sessions live on");
        fleet.faults().clear();
    }
    assert_eq!(name(&fleet, &phone).await, Some("ann"));
    assert_eq!(fleet.manager.revoke_all("1").await.unwrap(), 2);
    for ended in [&phone, &desk] {
        assert_eq!(name(&fleet, ended).await, None);
    }
    assert_eq!(name(&fleet, &bob).await, Some("bob"));
}

#[tokio::test]
async fn without_epochs_revoking_the_others_keeps_this_one_with_a_new_cookie() {
    let (fleet, accounts) = fleet_with_accounts().await;
    let other = signed_in(&fleet, &accounts, "ann").await;
    let mut mine = signed_in(&fleet, &accounts, "ann").await;
    let before = mine.clone();
    let (handle, session) = fleet.load(&mine).await;
    assert_eq!(fleet.manager.revoke_others(&session).await.unwrap(), 1);
    mine.take(&fleet.finish(&handle).await);
    assert_eq!(name(&fleet, &mine).await, Some("ann"));
    assert_eq!(name(&fleet, &before).await, None);
    assert_eq!(name(&fleet, &other).await, None);
}

#[tokio::test]
async fn users_have_no_permissions_and_no_groups_unless_somebody_says_so() {
    let (fleet, accounts) = fleet_with_accounts().await;
    let browser = signed_in(&fleet, &accounts, "ann").await;
    let (_, session) = fleet.load(&browser).await;
    let ann: Account = session.require_user_as().await.unwrap();
    assert_eq!(session.permissions(&ann).await.unwrap(), BTreeSet::new());
    assert!(session.groups(&ann).await.unwrap().is_empty());
    assert_eq!(session.require_perm(&ann, "blog.add_post").await.unwrap_err().kind(), ErrorKind::Forbidden);
    assert!(!ann.is_staff() && !ann.is_superuser() && ann.is_active() && ann.epoch() == 0);

    assert!(Guard::login_required().check(&session).await.is_ok());
    let refused = Guard::require("blog.add_post").check(&session).await.unwrap_err();
    assert_eq!(refused.error().kind(), ErrorKind::Forbidden);
}

/// An account that overrides the defaults.
#[derive(Clone)]
struct Chief(Account, bool);

impl AuthUser for Chief {
    fn id(&self) -> Cow<'_, str> {
        self.0.id()
    }
    fn encoded_password(&self) -> &str {
        self.0.encoded_password()
    }
    fn is_active(&self) -> bool {
        self.1
    }
    fn is_superuser(&self) -> bool {
        true
    }
}

#[derive(Clone)]
struct Chiefs(Accounts, Arc<Mutex<bool>>);

impl Chiefs {
    fn chief(&self, account: Option<Account>) -> Option<Chief> {
        account.map(|account| Chief(account, *self.1.lock().unwrap()))
    }
}

impl Users for Chiefs {
    type User = Chief;

    async fn find(&self, id: &str) -> Result<Option<Chief>, Error> {
        Ok(self.chief(self.0.find(id).await?))
    }
    async fn find_by_name(&self, name: &str) -> Result<Option<Chief>, Error> {
        Ok(self.chief(self.0.find_by_name(name).await?))
    }
    async fn permissions(&self, _: &Chief) -> Result<BTreeSet<String>, Error> {
        panic!("a superuser needs none")
    }
}

#[tokio::test]
async fn a_superuser_passes_unasked_until_somebody_deactivates_the_account() {
    let (_, accounts) = fleet_with_accounts().await;
    let is_active = Arc::new(Mutex::new(true));
    let chiefs = Chiefs(accounts, Arc::clone(&is_active));
    let fleet = fleet_of(chiefs.clone());
    let chief =
        fleet.load(&Browser::default()).await.1.authenticate_as::<Chief>("ann", "right").await.unwrap().unwrap();
    let mut browser = Browser::default();
    fleet.serve(&mut browser, |session| session.login(&chief).unwrap()).await;
    let (_, session) = fleet.load(&browser).await;
    session.require_perm(&chief, "no.such").await.unwrap();
    assert!(Guard::require("no.such").check(&session).await.is_ok());

    *is_active.lock().unwrap() = false;
    let (_, session) = fleet.load(&browser).await;
    assert!(session.user_as::<Chief>().await.unwrap().is_none());
    let refused = Guard::login_required().check(&session).await.unwrap_err();
    assert_eq!(refused.error().kind(), ErrorKind::Unauthenticated);
    assert!(session.authenticate_as::<Chief>("ann", "right").await.unwrap().is_none());
}

#[tokio::test]
async fn users_of_another_type_are_an_error_that_names_both_and_never_an_anonymous_visit() {
    let (fleet, accounts) = fleet_with_accounts().await;
    let browser = signed_in(&fleet, &accounts, "ann").await;
    let is_told = |error: Error| {
        assert_eq!(error.kind(), ErrorKind::Config);
        let text = error.to_string();
        assert!(text.contains("are Account, and not User:"), "{text}");
    };
    for browser in [&browser, &Browser::default()] {
        let handle = fleet.request(browser);
        is_told(handle.load().await.unwrap().user().await.unwrap_err());
        assert_eq!(kind(&fleet.finish(&handle).await), Some(ErrorKind::Config), "even if the handler swallows it");
    }
    is_told(fleet.load(&browser).await.1.require_user().await.unwrap_err());

    let (_, session) = fleet.load(&browser).await;
    let row = User::new("1", "ann");
    is_told(session.login(&row).unwrap_err());
    is_told(session.authenticate("ann", "right").await.unwrap_err());
    is_told(session.permissions(&row).await.unwrap_err());
    is_told(session.groups(&row).await.unwrap_err());
    is_told(session.require_perm(&row, "blog.add_post").await.unwrap_err());
    assert_eq!(name(&fleet, &browser).await, Some("ann"));
}
