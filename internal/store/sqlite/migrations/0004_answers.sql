-- Answers to requests that clients may send again, by a hash of the client and its key. They are kept for a day.
CREATE TABLE answers (
  key TEXT PRIMARY KEY,
  at INTEGER NOT NULL,
  request TEXT NOT NULL,
  recording TEXT NOT NULL,
  status INTEGER NOT NULL,
  header TEXT NOT NULL,
  body BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX answers_at ON answers (at);
CREATE INDEX answers_recording ON answers (recording) WHERE recording <> '';
