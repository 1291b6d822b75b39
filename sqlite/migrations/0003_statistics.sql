-- Attempts counted by time: of an endpoint, of an agent as a whole (endpoint 0),
-- and over all (agent 0 too). step is the length of a row in seconds, at its
-- start; tally is what package internal/statistics encodes.
CREATE TABLE statistics (
	agent    INTEGER NOT NULL,
	endpoint INTEGER NOT NULL,
	step     INTEGER NOT NULL,
	at       INTEGER NOT NULL,
	tally    BLOB    NOT NULL,
	PRIMARY KEY (agent, endpoint, step, at)
) STRICT, WITHOUT ROWID;
CREATE INDEX statistics_at ON statistics (step, at); -- for retention

-- How the last attempt ended that health takes note of.
ALTER TABLE counters ADD COLUMN last_reason INTEGER NOT NULL DEFAULT 0;
ALTER TABLE counters ADD COLUMN last_status INTEGER NOT NULL DEFAULT 0;
CREATE INDEX counters_failing ON counters (failing_since, endpoint) WHERE failures >= 3;
