//! SQLite files that another process holds.

use super::failure::failed;
use crate::error::Error;

/// The first switch needs exclusive access to the file, and SQLite does not wait for that by itself.
pub(super) async fn switch_to_wal(options: &sqlx::sqlite::SqliteConnectOptions) -> Result<(), Error> {
    use sqlx::{ConnectOptions, Connection};
    retry_while_busy(|| async {
        let mut connection = options.connect().await?;
        sqlx::query("PRAGMA journal_mode = WAL").execute(&mut connection).await?;
        connection.close().await
    })
    .await
}

/// SQLite returns "busy" at once if waiting could deadlock. Retries for up to half a minute.
pub(super) async fn retry_while_busy<W: Future<Output = sqlx::Result<()>>>(
    mut work: impl FnMut() -> W,
) -> Result<(), Error> {
    use std::time::{Duration, Instant};
    const PATIENCE: Duration = Duration::from_secs(30);
    let start = Instant::now();
    let mut pause = Duration::from_millis(5);
    loop {
        match work().await {
            Err(error) if is_busy(&error) && start.elapsed() < PATIENCE => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_millis(200));
            }
            result => return result.map_err(failed),
        }
    }
}

/// The low byte of an extended result code is the code.
fn is_busy(error: &sqlx::Error) -> bool {
    const BUSY: u32 = 5;
    const LOCKED: u32 = 6;
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
    code.is_some_and(|code| matches!(code & 0xff, BUSY | LOCKED))
}

#[cfg(test)]
mod tests {
    use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};

    use super::*;
    use crate::error::ErrorKind;

    #[tokio::test]
    async fn work_that_finds_the_database_busy_is_done_again() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("busy.sqlite3");
        let options = SqliteConnectOptions::new().filename(&file).create_if_missing(true);
        let options = options.busy_timeout(std::time::Duration::ZERO);
        let mut holder = options.connect().await.unwrap();
        sqlx::query("BEGIN IMMEDIATE").execute(&mut holder).await.unwrap();
        let (holder, attempts) = (tokio::sync::Mutex::new(Some(holder)), std::cell::Cell::new(0));
        let done = retry_while_busy(|| async {
            attempts.set(attempts.get() + 1);
            if attempts.get() == 3 {
                holder.lock().await.take().unwrap().close().await?;
            }
            let mut connection = options.connect().await?;
            sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await?;
            connection.close().await
        })
        .await;
        assert!(done.is_ok(), "{done:?}");
        assert_eq!(attempts.get(), 3);

        // Any other failure is final.
        let failed = retry_while_busy(|| async {
            attempts.set(attempts.get() + 1);
            options.clone().filename("no such directory/file").connect().await.map(drop)
        });
        assert_eq!(failed.await.unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(attempts.get(), 4);
    }
}
