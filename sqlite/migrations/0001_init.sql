-- The model is promise (events), work (waiting), record (deliveries, attempts);
-- see DESIGN.md. Times are microseconds since the Unix epoch, keys are event
-- keys, durations are microseconds.

CREATE TABLE meta (
	name  TEXT    PRIMARY KEY,
	value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO meta (name, value) VALUES
	('config_version', 0), -- of the newest change
	('events', 0),         -- how many events are kept
	('last_key', 0);       -- the largest key that retention removed

-- One row per living or not yet adopted node.
CREATE TABLE nodes (
	node  INTEGER PRIMARY KEY AUTOINCREMENT,
	name  TEXT    NOT NULL,
	slot  INTEGER NOT NULL,
	epoch INTEGER NOT NULL,
	dead  INTEGER NOT NULL
) STRICT;

CREATE TABLE agents (
	number     INTEGER PRIMARY KEY,
	id         TEXT    NOT NULL,
	version    INTEGER NOT NULL,
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL,
	deleted_at INTEGER NOT NULL,
	living     INTEGER NOT NULL,
	settings   BLOB    NOT NULL
) STRICT;
CREATE UNIQUE INDEX agents_id ON agents (id) WHERE living = 1;
CREATE INDEX agents_living ON agents (number) WHERE living = 1;
CREATE INDEX agents_version ON agents (version);

CREATE TABLE endpoints (
	number       INTEGER PRIMARY KEY,
	agent        INTEGER NOT NULL,
	agent_id     TEXT    NOT NULL,
	id           TEXT    NOT NULL,
	state        INTEGER NOT NULL,
	state_since  INTEGER NOT NULL,
	cancel_up_to INTEGER NOT NULL,
	version      INTEGER NOT NULL,
	created_at   INTEGER NOT NULL,
	updated_at   INTEGER NOT NULL,
	deleted_at   INTEGER NOT NULL,
	living       INTEGER NOT NULL,
	settings     BLOB    NOT NULL,
	sealed       BLOB
) STRICT;
CREATE UNIQUE INDEX endpoints_id ON endpoints (agent, id) WHERE living = 1;
CREATE INDEX endpoints_living ON endpoints (agent, number) WHERE living = 1;
CREATE INDEX endpoints_version ON endpoints (version);

CREATE TABLE event_types (
	name        TEXT    PRIMARY KEY,
	description TEXT    NOT NULL,
	schema      BLOB,
	example     BLOB,
	version     INTEGER NOT NULL,
	created_at  INTEGER NOT NULL,
	updated_at  INTEGER NOT NULL,
	deleted_at  INTEGER NOT NULL,
	living      INTEGER NOT NULL
) STRICT;
CREATE INDEX event_types_version ON event_types (version);

CREATE TABLE api_keys (
	number     INTEGER PRIMARY KEY,
	id         TEXT    NOT NULL UNIQUE,
	hash       BLOB    NOT NULL,
	root       INTEGER NOT NULL,
	version    INTEGER NOT NULL,
	created_at INTEGER NOT NULL,
	revoked_at INTEGER NOT NULL,
	works      INTEGER NOT NULL,
	settings   BLOB    NOT NULL
) STRICT;
CREATE UNIQUE INDEX api_keys_hash ON api_keys (hash) WHERE works = 1;
CREATE INDEX api_keys_working ON api_keys (number) WHERE works = 1;
CREATE INDEX api_keys_root ON api_keys (number) WHERE works = 1 AND root = 1;
CREATE INDEX api_keys_version ON api_keys (version);

-- Names of event types, numbered so that rows carry a byte instead of a word.
CREATE TABLE type_names (
	number INTEGER PRIMARY KEY,
	name   TEXT    NOT NULL UNIQUE
) STRICT;

-- The promise: inserted once, never changed. The payload comes last, so that
-- reading the rest needs none of its overflow pages.
CREATE TABLE events (
	key        INTEGER PRIMARY KEY,
	agent      INTEGER NOT NULL,
	agent_id   TEXT    NOT NULL,
	agent_name TEXT    NOT NULL,
	id         TEXT,             -- only when the caller chose it
	type       INTEGER NOT NULL,
	timestamp  INTEGER NOT NULL,
	test       INTEGER NOT NULL,
	deliveries INTEGER NOT NULL,
	messages   BLOB,
	data       BLOB
) STRICT;
CREATE INDEX events_agent ON events (agent, key, type);

-- The work: the only queue. owner is 0 for a row that no node holds. The
-- indexes leave owned rows out: a delivery that succeeds at once never touches
-- them.
CREATE TABLE waiting (
	agent       INTEGER NOT NULL,
	event       INTEGER NOT NULL,
	endpoint    INTEGER NOT NULL,
	type        INTEGER NOT NULL,
	entered     INTEGER NOT NULL,
	next_at     INTEGER NOT NULL,
	window_end  INTEGER NOT NULL,
	attempts    INTEGER NOT NULL,
	cycle       INTEGER NOT NULL,
	status_code INTEGER NOT NULL,
	reason      INTEGER NOT NULL,
	owner       INTEGER NOT NULL,
	adopted     INTEGER NOT NULL,
	begun       INTEGER NOT NULL,
	deaths      INTEGER NOT NULL,
	panics      INTEGER NOT NULL,
	test        INTEGER NOT NULL,
	PRIMARY KEY (agent, event, endpoint)
) STRICT, WITHOUT ROWID;
CREATE INDEX waiting_due ON waiting (endpoint, next_at) WHERE owner = 0 AND deaths < 3;
CREATE INDEX waiting_suspect ON waiting (next_at) WHERE owner = 0 AND deaths >= 3;
CREATE INDEX waiting_entered ON waiting (endpoint, entered) WHERE owner = 0;
CREATE INDEX waiting_attempted ON waiting (endpoint, entered) WHERE owner = 0 AND attempts > cycle;

-- The record.
CREATE TABLE deliveries (
	agent       INTEGER NOT NULL,
	event       INTEGER NOT NULL,
	endpoint    INTEGER NOT NULL,
	type        INTEGER NOT NULL,
	state       INTEGER NOT NULL,
	reason      INTEGER NOT NULL,
	attempts    INTEGER NOT NULL,
	status_code INTEGER NOT NULL,
	finished_at INTEGER NOT NULL,
	PRIMARY KEY (agent, event, endpoint)
) STRICT, WITHOUT ROWID;

CREATE TABLE attempts (
	event       INTEGER NOT NULL,
	endpoint    INTEGER NOT NULL,
	number      INTEGER NOT NULL,
	started_at  INTEGER NOT NULL,
	duration    INTEGER NOT NULL,
	status_code INTEGER NOT NULL,
	reason      INTEGER NOT NULL,
	detail      BLOB,
	PRIMARY KEY (event, endpoint, number)
) STRICT, WITHOUT ROWID;

-- Chosen ids (kind 0) and Idempotency-Keys (kind 1).
CREATE TABLE idempotency (
	agent INTEGER NOT NULL,
	kind  INTEGER NOT NULL,
	key   TEXT    NOT NULL,
	event INTEGER NOT NULL,
	hash  BLOB    NOT NULL,
	PRIMARY KEY (agent, kind, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_event ON idempotency (kind, event);

-- The ledger and the health of each endpoint.
CREATE TABLE counters (
	endpoint      INTEGER PRIMARY KEY,
	agent         INTEGER NOT NULL,
	accepted      INTEGER NOT NULL,
	pending       INTEGER NOT NULL,
	retrying      INTEGER NOT NULL,
	delivered     INTEGER NOT NULL,
	failed        INTEGER NOT NULL,
	canceled      INTEGER NOT NULL,
	last_success  INTEGER NOT NULL,
	last_failure  INTEGER NOT NULL,
	failing_since INTEGER NOT NULL,
	failures      INTEGER NOT NULL,
	refusals      INTEGER NOT NULL,
	refused_since INTEGER NOT NULL,
	open          INTEGER NOT NULL
) STRICT;
CREATE INDEX counters_agent ON counters (agent);
