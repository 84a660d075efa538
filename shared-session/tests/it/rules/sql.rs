//! SQL. The contract over SQL stores is tested in `stores`.

use shared_session::{store::SqlStore, users::SqlUsers};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn services_that_start_at_once_on_one_empty_file_all_come_up() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("both.sqlite3").display());
    let starts: Vec<_> = (0..20)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move {
                let store = SqlStore::connect(&url).await?;
                store.migrate().await?;
                let users = SqlUsers::connect(&url).await?;
                users.migrate().await
            })
        })
        .collect();
    for start in starts {
        start.await.unwrap().unwrap();
    }
}
