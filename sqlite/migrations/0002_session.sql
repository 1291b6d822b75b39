-- The sessions of the screens: a row lives from the making of its one-time key
-- to the end of its token.
CREATE TABLE sessions (
	id           TEXT    PRIMARY KEY,
	agent        INTEGER NOT NULL, -- 0 for the console
	key_hash     BLOB    NOT NULL UNIQUE,
	token_hash   BLOB    UNIQUE,   -- NULL until the key is exchanged
	ttl          INTEGER NOT NULL,
	created_at   INTEGER NOT NULL,
	exchanged_at INTEGER NOT NULL,
	ends_at      INTEGER NOT NULL,
	settings     BLOB    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_living ON sessions (agent, ends_at);
CREATE INDEX sessions_ends ON sessions (ends_at);

-- What is set while the server runs.
CREATE TABLE settings (
	name  TEXT PRIMARY KEY,
	value BLOB NOT NULL
) STRICT;
