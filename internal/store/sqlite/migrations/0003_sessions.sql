-- What the producer of a live session needs to continue it, as JSON.
ALTER TABLE streams ADD COLUMN checkpoint BLOB;
CREATE INDEX streams_open ON streams (stream) WHERE ended = 0;

-- Purges that have begun and are not complete, so that the next program that opens the database completes them. At step 1 the
-- rows of the recording are to be removed, at step 2 the bytes that they have left.
CREATE TABLE purges (
  recording TEXT PRIMARY KEY,
  step INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
