-- Addresses that are told of events, and what is on its way to them (docs/adr/0095-webhooks.md). job is the one job whose webhook it is,
-- last the number of its newest delivery.
CREATE TABLE webhooks (
  key INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  url TEXT NOT NULL,
  host TEXT NOT NULL,
  events TEXT NOT NULL,
  include_text INTEGER NOT NULL,
  enabled INTEGER NOT NULL,
  guarded INTEGER NOT NULL,
  job TEXT NOT NULL,
  signing BLOB NOT NULL,
  reason TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  last INTEGER NOT NULL
) STRICT;

CREATE INDEX webhooks_job ON webhooks (job);

CREATE TABLE deliveries (
  key INTEGER PRIMARY KEY,
  webhook INTEGER NOT NULL REFERENCES webhooks (key) ON DELETE CASCADE,
  n INTEGER NOT NULL,
  message TEXT NOT NULL,
  event TEXT NOT NULL,
  at INTEGER NOT NULL,
  recording TEXT NOT NULL,
  data BLOB NOT NULL,
  state TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  since INTEGER NOT NULL,
  next_at INTEGER NOT NULL,
  status INTEGER NOT NULL,
  error BLOB,
  ended_at INTEGER,
  UNIQUE (webhook, n)
) STRICT;

CREATE INDEX deliveries_waiting ON deliveries (webhook, next_at) WHERE state = 'waiting';
CREATE INDEX deliveries_ended ON deliveries (ended_at) WHERE state <> 'waiting';
CREATE INDEX deliveries_recording ON deliveries (recording) WHERE recording <> '';
