-- +goose Up
CREATE TABLE projects (
  id TEXT PRIMARY KEY,
  -- the tenant it belongs to, '' for one that was begun at the command line
  organization_id TEXT NOT NULL DEFAULT '',
  name TEXT NOT NULL,
  idea TEXT NOT NULL,
  type TEXT NOT NULL,
  mode TEXT NOT NULL,
  tier TEXT NOT NULL,
  teaching TEXT NOT NULL,
  blueprint TEXT NOT NULL,
  has_ui BOOLEAN NOT NULL,
  origin TEXT NOT NULL DEFAULT '',
  head TEXT NOT NULL DEFAULT '',
  budget_micro BIGINT NOT NULL DEFAULT 0,
  spent_micro BIGINT NOT NULL DEFAULT 0,
  token_cap BIGINT NOT NULL DEFAULT 0,
  spent_tokens BIGINT NOT NULL DEFAULT 0,
  paused BOOLEAN NOT NULL DEFAULT FALSE,
  locks BIGINT NOT NULL DEFAULT 0,
  moves BIGINT NOT NULL DEFAULT 0,
  version BIGINT NOT NULL DEFAULT 1,
  created_at BIGINT NOT NULL
);
CREATE TABLE changes (
  id TEXT PRIMARY KEY,
  project_id TEXT NOT NULL REFERENCES projects(id),
  number BIGINT NOT NULL,
  idea TEXT NOT NULL,
  blueprint TEXT NOT NULL,
  fast BOOLEAN NOT NULL DEFAULT FALSE,
  base_commit TEXT NOT NULL DEFAULT '',
  release_commit TEXT NOT NULL DEFAULT '',
  created_by TEXT NOT NULL,
  created_method TEXT NOT NULL,
  created_role TEXT NOT NULL,
  status TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  ended_at BIGINT NOT NULL DEFAULT 0,
  UNIQUE (project_id, number)
);
-- One open change per project: its gates own the head.
CREATE UNIQUE INDEX changes_open ON changes (project_id) WHERE status = 'open';
CREATE TABLE moves (
  project_id TEXT NOT NULL REFERENCES projects(id),
  seq BIGINT NOT NULL,
  from_commit TEXT NOT NULL,
  to_commit TEXT NOT NULL,
  kind TEXT NOT NULL,
  actor TEXT NOT NULL,
  gate TEXT NOT NULL DEFAULT '',
  at BIGINT NOT NULL,
  PRIMARY KEY (project_id, seq)
);
-- seq is the order in which tasks were planned: clocks of several processes, or
-- one that was set back, do not tell.
CREATE TABLE tasks (
  id TEXT PRIMARY KEY,
  project_id TEXT NOT NULL REFERENCES projects(id),
  change_id TEXT NOT NULL REFERENCES changes(id),
  seq BIGINT NOT NULL,
  gate TEXT NOT NULL,
  role TEXT NOT NULL,
  kind TEXT NOT NULL,
  title TEXT NOT NULL,
  brief TEXT NOT NULL,
  feedback TEXT NOT NULL DEFAULT '',
  priority TEXT NOT NULL,
  status TEXT NOT NULL,
  round BIGINT NOT NULL,
  after_tasks TEXT NOT NULL DEFAULT '[]',
  theirs TEXT NOT NULL DEFAULT '',
  reason TEXT NOT NULL DEFAULT '',
  created_at BIGINT NOT NULL,
  ended_at BIGINT NOT NULL DEFAULT 0,
  UNIQUE (change_id, seq)
);
CREATE TABLE runs (
  id TEXT PRIMARY KEY,
  project_id TEXT NOT NULL REFERENCES projects(id),
  change_id TEXT NOT NULL REFERENCES changes(id),
  task_id TEXT NOT NULL REFERENCES tasks(id),
  gate TEXT NOT NULL,
  role TEXT NOT NULL,
  status TEXT NOT NULL,
  waits_for TEXT NOT NULL DEFAULT '',
  token BIGINT NOT NULL DEFAULT 0,
  lease_until BIGINT NOT NULL DEFAULT 0,
  base_commit TEXT NOT NULL,
  commit_hash TEXT NOT NULL,
  opening TEXT NOT NULL DEFAULT '',
  system TEXT NOT NULL DEFAULT '',
  turns BIGINT NOT NULL DEFAULT 0,
  model TEXT NOT NULL,
  reason TEXT NOT NULL DEFAULT '',
  cancel BOOLEAN NOT NULL DEFAULT FALSE,
  pause BOOLEAN NOT NULL DEFAULT FALSE,
  created_at BIGINT NOT NULL,
  started_at BIGINT NOT NULL DEFAULT 0,
  ended_at BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX runs_change ON runs (change_id, created_at);
-- A task is worked on by one run at a time.
CREATE UNIQUE INDEX runs_live ON runs (task_id) WHERE status IN ('queued', 'running', 'waiting');
CREATE TABLE steps (
  run_id TEXT NOT NULL REFERENCES runs(id),
  seq BIGINT NOT NULL,
  turn BIGINT NOT NULL,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  call_id TEXT NOT NULL DEFAULT '',
  input_digest TEXT NOT NULL,
  input TEXT NOT NULL,
  output TEXT NOT NULL,
  is_error BOOLEAN NOT NULL DEFAULT FALSE,
  commit_hash TEXT NOT NULL DEFAULT '',
  tokens_in BIGINT NOT NULL DEFAULT 0,
  tokens_out BIGINT NOT NULL DEFAULT 0,
  cost_micro BIGINT NOT NULL DEFAULT 0,
  started_at BIGINT NOT NULL,
  ended_at BIGINT NOT NULL,
  PRIMARY KEY (run_id, seq)
);
CREATE TABLE usage (
  id TEXT PRIMARY KEY,
  project_id TEXT NOT NULL REFERENCES projects(id),
  change_id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  turn BIGINT NOT NULL,
  gate TEXT NOT NULL,
  role TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  state TEXT NOT NULL,
  reserved_micro BIGINT NOT NULL,
  reserved_tokens BIGINT NOT NULL,
  tokens_in BIGINT NOT NULL DEFAULT 0,
  tokens_out BIGINT NOT NULL DEFAULT 0,
  tokens_cache_read BIGINT NOT NULL DEFAULT 0,
  tokens_cache_write BIGINT NOT NULL DEFAULT 0,
  cost_micro BIGINT,
  at BIGINT NOT NULL
);
CREATE INDEX usage_run ON usage (run_id, turn);
CREATE INDEX usage_change ON usage (change_id);
CREATE TABLE questions (
  id TEXT PRIMARY KEY,
  project_id TEXT NOT NULL REFERENCES projects(id),
  change_id TEXT NOT NULL REFERENCES changes(id),
  gate TEXT NOT NULL,
  run_id TEXT NOT NULL DEFAULT '',
  call_id TEXT NOT NULL DEFAULT '',
  kind TEXT NOT NULL,
  text TEXT NOT NULL,
  options TEXT NOT NULL DEFAULT '[]',
  suggestion TEXT NOT NULL DEFAULT '',
  blocking BOOLEAN NOT NULL,
  status TEXT NOT NULL,
  answer TEXT NOT NULL DEFAULT '',
  answered_by TEXT NOT NULL DEFAULT '',
  method TEXT NOT NULL DEFAULT '',
  created_at BIGINT NOT NULL,
  answered_at BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX questions_change ON questions (change_id, created_at);
CREATE TABLE blockers (
  id TEXT PRIMARY KEY,
  project_id TEXT NOT NULL REFERENCES projects(id),
  change_id TEXT NOT NULL REFERENCES changes(id),
  gate TEXT NOT NULL,
  run_id TEXT NOT NULL DEFAULT '',
  kind TEXT NOT NULL,
  title TEXT NOT NULL,
  detail TEXT NOT NULL,
  severity TEXT NOT NULL,
  status TEXT NOT NULL,
  resolution TEXT NOT NULL DEFAULT '',
  resolved_by TEXT NOT NULL DEFAULT '',
  created_at BIGINT NOT NULL,
  resolved_at BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX blockers_change ON blockers (change_id, created_at);
CREATE TABLE notes (
  id TEXT PRIMARY KEY,
  project_id TEXT NOT NULL REFERENCES projects(id),
  change_id TEXT NOT NULL REFERENCES changes(id),
  gate TEXT NOT NULL,
  run_id TEXT NOT NULL DEFAULT '',
  kind TEXT NOT NULL,
  title TEXT NOT NULL,
  body TEXT NOT NULL,
  likelihood TEXT NOT NULL DEFAULT '',
  impact TEXT NOT NULL DEFAULT '',
  created_at BIGINT NOT NULL
);
CREATE INDEX notes_change ON notes (change_id, created_at);
CREATE TABLE messages (
  id TEXT PRIMARY KEY,
  run_id TEXT NOT NULL REFERENCES runs(id),
  author TEXT NOT NULL,
  text TEXT NOT NULL,
  read_seq BIGINT NOT NULL DEFAULT 0,
  created_at BIGINT NOT NULL
);
CREATE INDEX messages_run ON messages (run_id, created_at);
CREATE TABLE designs (
  id TEXT PRIMARY KEY,
  change_id TEXT NOT NULL REFERENCES changes(id),
  number BIGINT NOT NULL,
  title TEXT NOT NULL,
  path TEXT NOT NULL,
  rationale TEXT NOT NULL,
  recommended BOOLEAN NOT NULL,
  selected BOOLEAN NOT NULL DEFAULT FALSE,
  created_at BIGINT NOT NULL,
  UNIQUE (change_id, number)
);
CREATE TABLE gates (
  id TEXT PRIMARY KEY,
  project_id TEXT NOT NULL REFERENCES projects(id),
  change_id TEXT NOT NULL REFERENCES changes(id),
  code TEXT NOT NULL,
  position BIGINT NOT NULL,
  stop TEXT NOT NULL,
  status TEXT NOT NULL,
  stale BOOLEAN NOT NULL DEFAULT FALSE,
  reason TEXT NOT NULL DEFAULT '',
  round BIGINT NOT NULL DEFAULT 1,
  decisions BIGINT NOT NULL DEFAULT 0,
  version BIGINT NOT NULL DEFAULT 1,
  opened_at BIGINT NOT NULL DEFAULT 0,
  decided_at BIGINT NOT NULL DEFAULT 0,
  UNIQUE (change_id, code)
);
CREATE TABLE decisions (
  id TEXT PRIMARY KEY,
  project_id TEXT NOT NULL REFERENCES projects(id),
  change_id TEXT NOT NULL REFERENCES changes(id),
  gate_id TEXT NOT NULL REFERENCES gates(id),
  code TEXT NOT NULL,
  kind TEXT NOT NULL,
  target TEXT NOT NULL DEFAULT '',
  method TEXT NOT NULL,
  actor TEXT NOT NULL,
  comment TEXT NOT NULL,
  design_id TEXT NOT NULL DEFAULT '',
  head TEXT NOT NULL,
  commit_hash TEXT NOT NULL DEFAULT '',
  tag TEXT NOT NULL DEFAULT '',
  document_digest TEXT NOT NULL,
  work_digest TEXT NOT NULL,
  round BIGINT NOT NULL,
  event_seq BIGINT NOT NULL DEFAULT 0,
  event_hash TEXT NOT NULL DEFAULT '',
  at BIGINT NOT NULL
);
CREATE INDEX decisions_change ON decisions (change_id, event_seq);
-- One person counts once towards a quorum.
CREATE UNIQUE INDEX decisions_once ON decisions (gate_id, round, actor) WHERE kind = 'approve';
CREATE TABLE carries (
  id TEXT PRIMARY KEY,
  change_id TEXT NOT NULL REFERENCES changes(id),
  seq BIGINT NOT NULL,
  code TEXT NOT NULL,
  decision_id TEXT NOT NULL REFERENCES decisions(id),
  head TEXT NOT NULL,
  work_digest TEXT NOT NULL,
  at BIGINT NOT NULL,
  UNIQUE (change_id, seq)
);
CREATE TABLE conditions (
  id TEXT PRIMARY KEY,
  change_id TEXT NOT NULL REFERENCES changes(id),
  decision_id TEXT NOT NULL REFERENCES decisions(id),
  origin TEXT NOT NULL,
  due_gate TEXT NOT NULL,
  text TEXT NOT NULL,
  owner TEXT NOT NULL,
  status TEXT NOT NULL,
  resolution TEXT NOT NULL DEFAULT '',
  resolved_by TEXT NOT NULL DEFAULT '',
  created_at BIGINT NOT NULL,
  resolved_at BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX conditions_change ON conditions (change_id, created_at);
CREATE TABLE waivers (
  id TEXT PRIMARY KEY,
  change_id TEXT NOT NULL REFERENCES changes(id),
  code TEXT NOT NULL,
  rule TEXT NOT NULL,
  subject TEXT NOT NULL DEFAULT '',
  owner TEXT NOT NULL,
  reason TEXT NOT NULL,
  expires_at BIGINT NOT NULL,
  status TEXT NOT NULL,
  created_by TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  closed_at BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX waivers_change ON waivers (change_id, created_at);
-- seq is the order in which proofs were asked for, event_seq when one was finished.
CREATE TABLE proofs (
  id TEXT PRIMARY KEY,
  project_id TEXT NOT NULL REFERENCES projects(id),
  change_id TEXT NOT NULL REFERENCES changes(id),
  seq BIGINT NOT NULL,
  gate TEXT NOT NULL,
  type TEXT NOT NULL,
  source TEXT NOT NULL,
  isolation TEXT NOT NULL DEFAULT '',
  isolation_detail TEXT NOT NULL DEFAULT '',
  command TEXT NOT NULL DEFAULT '',
  commit_hash TEXT NOT NULL,
  inputs_digest TEXT NOT NULL,
  release BOOLEAN NOT NULL DEFAULT FALSE,
  status TEXT NOT NULL,
  verdict TEXT NOT NULL DEFAULT '',
  reason TEXT NOT NULL DEFAULT '',
  figures TEXT NOT NULL DEFAULT '{}',
  log_key TEXT NOT NULL DEFAULT '',
  log_sha256 TEXT NOT NULL DEFAULT '',
  report_key TEXT NOT NULL DEFAULT '',
  asked_by TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  started_at BIGINT NOT NULL DEFAULT 0,
  ended_at BIGINT NOT NULL DEFAULT 0,
  superseded_by TEXT NOT NULL DEFAULT '',
  event_seq BIGINT NOT NULL DEFAULT 0,
  UNIQUE (change_id, seq),
  -- A passing proof of the platform without its log is no proof.
  CHECK (NOT (source = 'platform' AND verdict = 'pass' AND (log_key = '' OR log_sha256 = '')))
);

-- +goose Down
DROP TABLE proofs;
DROP TABLE waivers;
DROP TABLE conditions;
DROP TABLE carries;
DROP TABLE decisions;
DROP TABLE gates;
DROP TABLE designs;
DROP TABLE messages;
DROP TABLE notes;
DROP TABLE blockers;
DROP TABLE questions;
DROP TABLE usage;
DROP TABLE steps;
DROP TABLE runs;
DROP TABLE tasks;
DROP TABLE moves;
DROP TABLE changes;
DROP TABLE projects;
