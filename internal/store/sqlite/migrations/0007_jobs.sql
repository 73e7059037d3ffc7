-- Durable work. class, place, since and next_at make the order (docs/adr/0080-queue.md); next_at is 0 for now.
CREATE TABLE jobs (
  key INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  state TEXT NOT NULL,
  class INTEGER NOT NULL,
  client TEXT NOT NULL,
  recording TEXT NOT NULL,
  work TEXT,
  options BLOB NOT NULL,
  length INTEGER NOT NULL,
  traceparent TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  max_attempts INTEGER NOT NULL,
  run INTEGER NOT NULL,
  ends INTEGER NOT NULL,
  alone INTEGER NOT NULL,
  fresh INTEGER NOT NULL,
  place INTEGER NOT NULL,
  since INTEGER NOT NULL,
  next_at INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  started_at INTEGER,
  finished_at INTEGER,
  done INTEGER NOT NULL,
  code TEXT NOT NULL,
  error BLOB,
  version INTEGER NOT NULL,
  checkpoint BLOB
) STRICT;

CREATE UNIQUE INDEX jobs_work ON jobs (kind, work) WHERE work IS NOT NULL;
CREATE INDEX jobs_place ON jobs (place);
CREATE INDEX jobs_recording ON jobs (recording) WHERE recording <> '';
CREATE INDEX jobs_state ON jobs (state, kind, code);
CREATE INDEX jobs_waiting ON jobs (alone, client, class, place, next_at) WHERE state IN ('queued', 'retrying');
CREATE INDEX jobs_unfinished ON jobs (client, kind, state, since) WHERE state NOT IN ('succeeded', 'dead', 'cancelled');

-- Parts of the result of a job that has not ended, in their order.
CREATE TABLE job_parts (
  job INTEGER NOT NULL REFERENCES jobs (key) ON DELETE CASCADE,
  n INTEGER NOT NULL,
  data BLOB NOT NULL,
  PRIMARY KEY (job, n)
) STRICT, WITHOUT ROWID;

-- One row: whether no job is begun.
CREATE TABLE queue (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  paused INTEGER NOT NULL
) STRICT;
INSERT INTO queue (id, paused) VALUES (1, 0);
