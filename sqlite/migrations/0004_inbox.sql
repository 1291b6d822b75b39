-- Throw-away receivers, and what they received. The token is the end of an
-- inbox's URL.
CREATE TABLE inboxes (
	number         INTEGER PRIMARY KEY AUTOINCREMENT,
	id             TEXT    NOT NULL UNIQUE,
	agent          INTEGER NOT NULL,
	agent_id       TEXT    NOT NULL,
	name           TEXT    NOT NULL,
	token          TEXT    NOT NULL UNIQUE,
	respond_status INTEGER NOT NULL,
	created_at     INTEGER NOT NULL,
	expires_at     INTEGER NOT NULL,
	last_request   INTEGER NOT NULL
) STRICT;
CREATE INDEX inboxes_agent ON inboxes (agent, number);
CREATE INDEX inboxes_expiry ON inboxes (expires_at);

-- The body comes last, so that reading the rest needs none of its overflow pages.
CREATE TABLE inbox_requests (
	number      INTEGER PRIMARY KEY AUTOINCREMENT,
	inbox       INTEGER NOT NULL,
	id          TEXT    NOT NULL,
	received_at INTEGER NOT NULL,
	detail      BLOB    NOT NULL,
	body        BLOB
) STRICT;
CREATE INDEX inbox_requests_inbox ON inbox_requests (inbox, number);
