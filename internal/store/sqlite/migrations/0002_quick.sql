-- What lies in a folder has a fingerprint, also where its audio was removed and its manifest was not.
DROP INDEX recordings_present;
CREATE INDEX recordings_seen ON recordings (id, fingerprint) WHERE fingerprint <> '';

-- Where the segments of the current text begin, in milliseconds as JSON, for the snippets of a search; NULL where an earlier
-- version of Scout wrote the text.
ALTER TABLE transcripts ADD COLUMN starts TEXT;
