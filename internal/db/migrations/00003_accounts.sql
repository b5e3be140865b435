-- +goose Up
-- One row: who makes an account holds it, so that there is one first user.
CREATE TABLE instance (
  id BIGINT PRIMARY KEY,
  accounts BIGINT NOT NULL DEFAULT 0
);
INSERT INTO instance (id) VALUES (1);
CREATE TABLE users (
  id TEXT PRIMARY KEY,
  -- trimmed and in lower case
  email TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  password_hash TEXT NOT NULL,
  admin BOOLEAN NOT NULL DEFAULT FALSE,
  version BIGINT NOT NULL DEFAULT 1,
  created_at BIGINT NOT NULL
);
CREATE TABLE organizations (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  -- the user whose personal organization it is
  personal_of TEXT NOT NULL DEFAULT '',
  created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX organizations_personal ON organizations (personal_of) WHERE personal_of <> '';
CREATE TABLE members (
  organization_id TEXT NOT NULL REFERENCES organizations(id),
  user_id TEXT NOT NULL REFERENCES users(id),
  role TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (organization_id, user_id)
);
CREATE INDEX members_user ON members (user_id);
CREATE TABLE sessions (
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users(id),
  device TEXT NOT NULL,
  address TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  ended_at BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX sessions_user ON sessions (user_id);

-- +goose Down
DROP TABLE sessions;
DROP TABLE members;
DROP TABLE organizations;
DROP TABLE users;
DROP TABLE instance;
