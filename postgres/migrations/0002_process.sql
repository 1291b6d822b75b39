-- Which process a node is, on its machine: others there can tell that it has ended, and
-- need not wait until its heartbeat has stood still for long.
ALTER TABLE nodes ADD COLUMN process text NOT NULL DEFAULT '';
