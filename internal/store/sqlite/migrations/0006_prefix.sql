-- A search for the first one or two letters of words, as they are typed, needs an index of its own: without it all words that begin so
-- are looked up first, which took 0.2 s of processor time with 100,000 texts.
CREATE VIRTUAL TABLE search_next USING fts5 (title, tags, text, others, facets, tokenize = "unicode61 remove_diacritics 2", prefix = '1 2');
INSERT INTO search_next (search_next, rank) VALUES ('secure-delete', 1);
INSERT INTO search_next (rowid, title, tags, text, others, facets) SELECT rowid, title, tags, text, others, facets FROM search;
DROP TABLE search;
ALTER TABLE search_next RENAME TO search;
