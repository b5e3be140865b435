-- +goose Up
CREATE TABLE events (
    project_id TEXT NOT NULL,
    seq        BIGINT NOT NULL,
    type       TEXT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id   TEXT NOT NULL,
    data       TEXT NOT NULL,
    at         BIGINT NOT NULL,
    prev_hash  TEXT NOT NULL,
    hash       TEXT NOT NULL,
    PRIMARY KEY (project_id, seq)
);

CREATE TABLE event_heads (
    project_id TEXT NOT NULL PRIMARY KEY,
    seq        BIGINT NOT NULL,
    hash       TEXT NOT NULL
);

-- +goose Down
DROP TABLE event_heads;
DROP TABLE events;
