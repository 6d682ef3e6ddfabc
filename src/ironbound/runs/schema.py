"""The tables of `results.sqlite`, and what turns an older file into one of today's."""

from __future__ import annotations

SCHEMA_VERSION = 2

TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE results (
  position INTEGER PRIMARY KEY,
  input_id TEXT NOT NULL UNIQUE,
  status TEXT NOT NULL CHECK (status IN ('predicted', 'abstained', 'error')),
  label INTEGER,
  prediction INTEGER,
  base_prediction INTEGER,
  samples INTEGER NOT NULL CHECK (samples >= 0),
  seconds REAL NOT NULL CHECK (seconds >= 0),
  reason TEXT NOT NULL,
  certificate TEXT,
  input_text TEXT NOT NULL,
  finished_at TEXT NOT NULL,
  stop_reason TEXT NOT NULL DEFAULT '',
  CHECK ((status = 'error') = (certificate IS NULL)),
  CHECK ((status = 'predicted') = (prediction IS NOT NULL))
);
CREATE TABLE sessions (
  number INTEGER PRIMARY KEY,
  started_at TEXT NOT NULL,
  finished_at TEXT,
  done_before INTEGER NOT NULL,
  done_after INTEGER,
  outcome TEXT,
  versions TEXT NOT NULL,
  notes TEXT NOT NULL DEFAULT '[]'
);
"""
# What version 2 added; certificates of version 1 hold why they stopped.
UPGRADE = """
BEGIN IMMEDIATE;
ALTER TABLE results ADD COLUMN stop_reason TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN notes TEXT NOT NULL DEFAULT '[]';
UPDATE results SET stop_reason = coalesce(json_extract(certificate, '$.evidence.stop_reason'), '')
  WHERE certificate IS NOT NULL;
UPDATE meta SET value = '2' WHERE key = 'schema_version';
COMMIT;
"""
