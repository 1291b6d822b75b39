-- The node that has an attempt of a canceled delivery under way, or 0: it may
-- not wait again before that node has let go of it.
ALTER TABLE deliveries ADD COLUMN owner INTEGER NOT NULL DEFAULT 0;

-- Test sends that any node may make.
CREATE INDEX waiting_test ON waiting (next_at) WHERE owner = 0 AND test = 1 AND deaths < 3;

-- Endpoints with an open breaker. Of those that are gone the flag was kept.
UPDATE counters SET open = 0 WHERE open = 1 AND failures < 3;
CREATE INDEX counters_open ON counters (endpoint) WHERE open = 1;
