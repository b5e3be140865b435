-- +goose Up
ALTER TABLE projects ADD COLUMN archived_at BIGINT NOT NULL DEFAULT 0;
-- Set when a person deletes a project: nobody sees it any more, and its rows go
-- once nothing works on it.
ALTER TABLE projects ADD COLUMN deleted_at BIGINT NOT NULL DEFAULT 0;
CREATE INDEX projects_organization ON projects (organization_id, id);
-- Who raised or wrote it, '' for an agent, which run_id names, or the platform.
ALTER TABLE blockers ADD COLUMN author TEXT NOT NULL DEFAULT '';
ALTER TABLE notes ADD COLUMN author TEXT NOT NULL DEFAULT '';
-- Where the text of a model step ends in all that the model of its run has written,
-- in bytes.
ALTER TABLE steps ADD COLUMN text_end BIGINT NOT NULL DEFAULT 0;
CREATE INDEX steps_text ON steps (run_id, text_end);
CREATE TABLE comments (
  id TEXT PRIMARY KEY,
  project_id TEXT NOT NULL REFERENCES projects(id),
  change_id TEXT NOT NULL REFERENCES changes(id),
  gate TEXT NOT NULL DEFAULT '',
  path TEXT NOT NULL,
  commit_hash TEXT NOT NULL,
  -- 0 for the whole file
  line BIGINT NOT NULL,
  text TEXT NOT NULL,
  author TEXT NOT NULL,
  status TEXT NOT NULL,
  -- the decision by which it went back to the agents
  decision_id TEXT NOT NULL DEFAULT '',
  version BIGINT NOT NULL DEFAULT 1,
  created_at BIGINT NOT NULL
);
CREATE INDEX comments_change ON comments (change_id, id);
CREATE TABLE mentions (
  comment_id TEXT NOT NULL REFERENCES comments(id),
  user_id TEXT NOT NULL REFERENCES users(id),
  PRIMARY KEY (comment_id, user_id)
);
CREATE INDEX mentions_user ON mentions (user_id, comment_id);
CREATE TABLE inbox_reads (
  user_id TEXT NOT NULL REFERENCES users(id),
  item_id TEXT NOT NULL,
  read_at BIGINT NOT NULL,
  PRIMARY KEY (user_id, item_id)
);
-- The answers to requests that carried an Idempotency-Key; status 0 while one is
-- at work, process tells in which process.
CREATE TABLE idempotency (
  user_id TEXT NOT NULL REFERENCES users(id),
  idempotency_key TEXT NOT NULL,
  request TEXT NOT NULL,
  process TEXT NOT NULL,
  status BIGINT NOT NULL DEFAULT 0,
  answer TEXT NOT NULL DEFAULT '',
  created_at BIGINT NOT NULL,
  PRIMARY KEY (user_id, idempotency_key)
);
CREATE INDEX idempotency_created ON idempotency (created_at);

-- +goose Down
DROP TABLE idempotency;
DROP TABLE inbox_reads;
DROP TABLE mentions;
DROP TABLE comments;
DROP INDEX steps_text;
ALTER TABLE steps DROP COLUMN text_end;
ALTER TABLE notes DROP COLUMN author;
ALTER TABLE blockers DROP COLUMN author;
DROP INDEX projects_organization;
ALTER TABLE projects DROP COLUMN deleted_at;
ALTER TABLE projects DROP COLUMN archived_at;
