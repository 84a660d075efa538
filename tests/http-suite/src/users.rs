use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, OnceLock},
    time::Duration,
};

use shared_session::{
    Error, ErrorKind,
    users::{User, UserCache, Users},
};

/// The permission of `ann`.
pub const PERMISSION: &str = "blog.add_post";

/// Four users in memory: `ann`, who has [`PERMISSION`], `bob`, `sue`, who is staff, and `root`. Clones share them.
#[derive(Clone, Debug)]
pub struct TestUsers(Arc<Mutex<Database>>, Arc<OnceLock<UserCache>>);

#[derive(Debug)]
struct Database {
    users: Vec<User>,
    down: bool,
}

impl TestUsers {
    pub(crate) fn new() -> Self {
        let mut users: Vec<_> = ["ann", "bob", "sue", "root"]
            .into_iter()
            .zip(["1", "2", "3", "4"])
            .map(|(name, id)| User::new(id, name).with_encoded_password(format!("the password of {name}")))
            .collect();
        users[2].is_staff = true;
        users[3].is_superuser = true;
        Self(Arc::new(Mutex::new(Database { users, down: false })), Arc::default())
    }

    /// The user of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<User> {
        self.database().users.iter().find(|user| user.username == name).cloned()
    }

    /// Caches rows from now on.
    pub fn keep(&self) {
        self.1.set(UserCache::new().with_max_age(Duration::from_secs(60))).unwrap();
    }

    /// Changes the row of a user, as another process would.
    pub fn change(&self, name: &str, change: impl FnOnce(User) -> User) {
        let mut database = self.database();
        let user = database.users.iter_mut().find(|user| user.username == name).unwrap();
        *user = change(user.clone());
    }

    /// While `down`, the database is unreachable.
    pub fn set_down(&self, down: bool) {
        self.database().down = down;
    }

    fn database(&self) -> MutexGuard<'_, Database> {
        self.0.lock().unwrap()
    }

    fn read<T>(&self, read: impl FnOnce(&mut Vec<User>) -> T) -> Result<T, Error> {
        let mut database = self.database();
        if database.down { Err(ErrorKind::Unavailable.into()) } else { Ok(read(&mut database.users)) }
    }
}

impl Users for TestUsers {
    type User = User;

    async fn find(&self, id: &str) -> Result<Option<User>, Error> {
        self.read(|users| users.iter().find(|user| user.id == id).cloned())
    }

    async fn find_by_name(&self, name: &str) -> Result<Option<User>, Error> {
        self.read(|users| users.iter().find(|user| user.username == name).cloned())
    }

    async fn raise_epoch(&self, id: &str) -> Result<Option<i64>, Error> {
        self.read(|users| {
            let user = users.iter_mut().find(|user| user.id == id)?;
            user.epoch += 1;
            Some(user.epoch)
        })
    }

    fn cache(&self) -> Option<&UserCache> {
        self.1.get()
    }

    async fn permissions(&self, user: &User) -> Result<BTreeSet<String>, Error> {
        self.read(|_| if user.username == "ann" { [PERMISSION.to_owned()].into() } else { BTreeSet::new() })
    }
}
