-- One index for both: what waits by when it entered, apart by whether it was tried
-- in this cycle. Each claim of a retry wrote a page of either.
DROP INDEX waiting_attempted;
DROP INDEX waiting_entered;
CREATE INDEX waiting_entered ON waiting (endpoint, attempts > cycle, entered) WHERE owner = 0;
