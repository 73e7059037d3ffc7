-- How old a text or a thing in the trash is counts by a clock of the store's own, which follows the system's clock but does not leap
-- with it: milliseconds that passed since this table was made. wall is the system's time when that was counted last.
CREATE TABLE clock (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  wall INTEGER NOT NULL,
  counted INTEGER NOT NULL
) STRICT;

-- When the newest version of a text was made, and when something was moved to the trash, by that clock. What is older than the clock
-- counts from its beginning.
ALTER TABLE transcripts ADD COLUMN texted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE transcripts ADD COLUMN trashed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE recordings ADD COLUMN trashed INTEGER NOT NULL DEFAULT 0;

-- text is the track and task of a purged text, empty where the whole recording is purged.
DROP TABLE purges;
CREATE TABLE purges (
  recording TEXT NOT NULL,
  text TEXT NOT NULL,
  step INTEGER NOT NULL,
  PRIMARY KEY (recording, text)
) STRICT, WITHOUT ROWID;
