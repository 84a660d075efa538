-- Raised to end all sessions of a user. The one table that is not Django's; both databases take this text.
CREATE TABLE IF NOT EXISTS shared_session_epoch (
    user_id varchar NOT NULL PRIMARY KEY,
    epoch bigint NOT NULL
);
