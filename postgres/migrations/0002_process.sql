-- Which process a node is, on its machine: others there can tell that it has ended, and
-- need not wait until its heartbeat has stood still for long. It is a table of its own,
-- as every write looks at nodes and would wait while that gets a column.
CREATE TABLE processes (
	node    bigint PRIMARY KEY,
	process text   NOT NULL
);
