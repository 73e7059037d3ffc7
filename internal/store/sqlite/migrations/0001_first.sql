-- The schema is described in docs/formats/store.md. Times are milliseconds since 1970 UTC, durations nanoseconds.

CREATE TABLE recordings (
  key INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  source TEXT NOT NULL,
  state TEXT NOT NULL,
  device TEXT NOT NULL,
  started_at INTEGER NOT NULL,
  ended_at INTEGER,
  duration INTEGER NOT NULL,
  lost_frames INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  audio TEXT NOT NULL,
  manifest BLOB,
  fingerprint TEXT NOT NULL,
  title TEXT NOT NULL,
  tags TEXT NOT NULL,
  labels TEXT NOT NULL,
  client TEXT NOT NULL,
  deleted_at INTEGER,
  revision INTEGER NOT NULL
) STRICT;

CREATE INDEX recordings_deleted ON recordings (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX recordings_present ON recordings (id, fingerprint) WHERE audio = 'present';

-- One row for each text of a recording, and one for the main text of a recording that has none yet. The id is the start of
-- the recording in milliseconds times 2^20 plus a number, so that the order of ids is the order of time.
CREATE TABLE transcripts (
  id INTEGER PRIMARY KEY,
  recording INTEGER NOT NULL REFERENCES recordings (key) ON DELETE CASCADE,
  track TEXT NOT NULL,
  task TEXT NOT NULL,
  current INTEGER NOT NULL,
  latest INTEGER NOT NULL,
  preview TEXT NOT NULL,
  deleted_at INTEGER,
  UNIQUE (recording, track, task)
) STRICT;

CREATE TABLE versions (
  key INTEGER PRIMARY KEY,
  transcript INTEGER NOT NULL REFERENCES transcripts (id) ON DELETE CASCADE,
  version INTEGER NOT NULL,
  kind TEXT NOT NULL,
  model TEXT NOT NULL,
  language TEXT NOT NULL,
  duration INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  client TEXT NOT NULL,
  options BLOB,
  words INTEGER NOT NULL,
  base INTEGER NOT NULL,
  restored_from INTEGER NOT NULL,
  once TEXT,
  set_aside BLOB,
  warnings BLOB,
  UNIQUE (transcript, version)
) STRICT;

CREATE UNIQUE INDEX versions_once ON versions (transcript, once) WHERE once IS NOT NULL;

-- An edited version has rows for the segments that it changes; one without text removes a segment.
CREATE TABLE segments (
  transcript INTEGER NOT NULL,
  version INTEGER NOT NULL,
  n INTEGER NOT NULL,
  start INTEGER NOT NULL,
  "end" INTEGER NOT NULL,
  channel TEXT NOT NULL,
  text TEXT NOT NULL,
  log_prob REAL,
  words BLOB,
  PRIMARY KEY (transcript, version, n),
  FOREIGN KEY (transcript, version) REFERENCES versions (transcript, version) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE streams (
  stream TEXT PRIMARY KEY,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  ended INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
  stream TEXT NOT NULL,
  seq INTEGER NOT NULL,
  at INTEGER NOT NULL,
  type TEXT NOT NULL,
  recording TEXT NOT NULL,
  client TEXT NOT NULL,
  data BLOB NOT NULL,
  PRIMARY KEY (stream, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX events_recording ON events (recording) WHERE recording <> '';

-- text is that of the transcript, others that of the other texts of the same recording; facets are what is filtered by.
CREATE VIRTUAL TABLE search USING fts5 (title, tags, text, others, facets, tokenize = "unicode61 remove_diacritics 2");
INSERT INTO search (search, rank) VALUES ('secure-delete', 1);
