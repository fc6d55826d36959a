-- The layout of a predictq database, version 2. Every statement beside this file works on these tables.
--
-- Messages stand in streams, as in a log that forgets: a stream is an ordered line of messages with the place of
-- the `last` one accepted and of the last one `read` by a consumer. A model's queue has three streams, one a
-- priority; a reply-to has one. What was read is `held` by a consumer until it is settled; what was given back
-- waits in `returned` and is read first.
--
-- A message's `slot` is its only key, never used twice in its stream, and tells where it stands:
--
--     slot   = stream * 2^40 + its number in the stream
--     stream = queue * 4 + 1 (high), 2 (normal) or 3 (low);  reply * 4 for a reply-to
--
-- so a stream is a range of one table's rowids and needs no index. Times are milliseconds since the epoch.
--
-- What is alike and comes together may stand in one row; `sizes` then has the size of each body in the blob, four bytes
-- each, little-endian. Such a row of requests is a *parcel*. It waits, or is held by the first who read it, until all of
-- them are settled; before anything else happens to one of them it is unpacked, and each gets a row of its own. The
-- slots for these rows are kept free: they are those just before the parcel's.

BEGIN IMMEDIATE;

-- One row a model; `requests` and `bytes` count what is not settled, held or not.
CREATE TABLE IF NOT EXISTS queues (
    queue    INTEGER PRIMARY KEY,
    model    TEXT    NOT NULL UNIQUE,
    requests INTEGER NOT NULL DEFAULT 0,
    bytes    INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE IF NOT EXISTS streams (
    stream INTEGER PRIMARY KEY,
    last   INTEGER NOT NULL,
    read   INTEGER NOT NULL
);

CREATE TRIGGER IF NOT EXISTS queue_opens_its_streams AFTER INSERT ON queues BEGIN
    INSERT INTO streams (stream, last, read)
    SELECT NEW.queue * 4 + value, (NEW.queue * 4 + value) << 40, (NEW.queue * 4 + value) << 40
    FROM json_each('[1, 2, 3]');
END;

-- Never changed between acceptance and settling. `raw`: NULL if the columns are known to be sound, else the
-- headers as JSON, to be judged by whoever receives them. `ref`: NULL if it and what follows it have their
-- defaults, as most have. `tails`, `sizes`: NULL but for a parcel, whose requests are alike in all but id and body; its
-- `id` is what the ids begin with, and `tails` the last three characters of each. The body stands last, so that
-- nothing lies behind it.
CREATE TABLE IF NOT EXISTS requests (
    slot         INTEGER PRIMARY KEY,
    accepted     INTEGER NOT NULL,
    raw          BLOB,
    id           TEXT    NOT NULL,
    reply_to     TEXT    NOT NULL,
    ttl          REAL,
    ref          TEXT,
    method       TEXT,
    content_type TEXT,
    rows         INTEGER,
    key          TEXT,
    traceparent  TEXT,
    tails        TEXT,
    sizes        BLOB,
    body         BLOB
);

-- The ids accepted within the dedup window, with a fingerprint of the payload.
CREATE TABLE IF NOT EXISTS ids (
    queue       INTEGER NOT NULL,
    id          TEXT    NOT NULL,
    fingerprint BLOB    NOT NULL,
    until       INTEGER NOT NULL,
    slot        INTEGER NOT NULL,
    PRIMARY KEY (queue, id)
) WITHOUT ROWID;

-- The ids of one send, as a JSON list, so that they can be forgotten together when their window is over.
CREATE TABLE IF NOT EXISTS sendings (
    until INTEGER NOT NULL,
    queue INTEGER NOT NULL,
    ids   TEXT    NOT NULL
);

CREATE INDEX IF NOT EXISTS sendings_by_end ON sendings (until);

-- The ids of one parcel, while it is none of the others' business: `checks` has the CRC of each payload, four bytes.
CREATE TABLE IF NOT EXISTS parcel_ids (
    slot   INTEGER PRIMARY KEY,
    until  INTEGER NOT NULL,
    head   TEXT    NOT NULL,
    tails  TEXT    NOT NULL,
    checks BLOB    NOT NULL
);

CREATE INDEX IF NOT EXISTS parcel_ids_by_head ON parcel_ids (head);
CREATE INDEX IF NOT EXISTS parcel_ids_by_end ON parcel_ids (until);

-- One row an incarnation of a consumer or subscriber. It is alive while `beat` moves; `renewed` is for figures only.
CREATE TABLE IF NOT EXISTS consumers (
    consumer INTEGER PRIMARY KEY,
    name     TEXT    NOT NULL,
    lease    REAL    NOT NULL,
    beat     INTEGER NOT NULL DEFAULT 0,
    renewed  INTEGER NOT NULL
);

CREATE TABLE IF NOT EXISTS serves (
    queue    INTEGER NOT NULL,
    consumer INTEGER NOT NULL,
    PRIMARY KEY (queue, consumer)
) WITHOUT ROWID;

-- `requests`: how many are not settled; `done`: the slots of those of a parcel that are, NULL if none.
CREATE TABLE IF NOT EXISTS held (
    slot     INTEGER PRIMARY KEY,
    consumer INTEGER NOT NULL,
    attempt  INTEGER NOT NULL,
    requests INTEGER NOT NULL DEFAULT 1,
    done     TEXT
);

CREATE TABLE IF NOT EXISTS returned (
    slot    INTEGER PRIMARY KEY,
    attempt INTEGER NOT NULL
);

-- Inboxes and durable result queues. `touched`: when it was last read, or got its first unread result.
CREATE TABLE IF NOT EXISTS reply_tos (
    reply   INTEGER PRIMARY KEY,
    name    TEXT    NOT NULL UNIQUE,
    unread  INTEGER NOT NULL,
    touched INTEGER NOT NULL,
    last    INTEGER NOT NULL,
    read    INTEGER NOT NULL
);

-- `sizes`: NULL but for the results of one batch for an inbox that takes bundles; `id` then has theirs, with blanks.
CREATE TABLE IF NOT EXISTS results (
    slot         INTEGER PRIMARY KEY,
    id           TEXT    NOT NULL,
    status       TEXT    NOT NULL,
    model        TEXT    NOT NULL,
    version      INTEGER NOT NULL,
    digest       TEXT    NOT NULL,
    route        TEXT    NOT NULL,
    content_type TEXT    NOT NULL,
    queued       REAL    NOT NULL,
    batched      REAL    NOT NULL,
    predicted    REAL    NOT NULL,
    retry_after  REAL    NOT NULL,
    sizes        BLOB,
    body         BLOB    NOT NULL
);

-- Requests set aside. Their numbers are never used twice: they are the tags people type.
CREATE TABLE IF NOT EXISTS dead (
    tag          INTEGER PRIMARY KEY AUTOINCREMENT,
    queue        INTEGER NOT NULL,
    priority     INTEGER NOT NULL,
    reason       TEXT    NOT NULL,
    attempts     INTEGER NOT NULL,
    died         REAL    NOT NULL,
    raw          BLOB,
    id           TEXT    NOT NULL,
    reply_to     TEXT    NOT NULL,
    ttl          REAL,
    ref          TEXT,
    method       TEXT,
    content_type TEXT,
    rows         INTEGER,
    key          TEXT,
    traceparent  TEXT,
    body         BLOB
);

CREATE INDEX IF NOT EXISTS dead_by_queue ON dead (queue);

-- For programs without this library, down to the `sqlite3` shell:
--
--     INSERT INTO send (model, id, reply_to, body) VALUES ('iris', 'a1', 'answers', '[[5.1, 3.5, 1.4, 0.2]]');
--
-- The columns are the headers of docs/protocol.md. Nothing is judged here but the model's name: what is not a
-- valid request is answered by the worker that receives it.
CREATE VIEW IF NOT EXISTS send
    (model, priority, v, id, reply_to, ttl, ref, method, content_type, rows, key, traceparent, body)
AS SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL WHERE 0;

CREATE TRIGGER IF NOT EXISTS send_stores_a_request INSTEAD OF INSERT ON send BEGIN
    SELECT RAISE(ABORT, 'model must be 1 to 128 of the characters A-Z a-z 0-9 . _ -')
    WHERE NEW.model IS NULL OR length(NEW.model) NOT BETWEEN 1 AND 128 OR NEW.model GLOB '*[^-A-Za-z0-9._]*';
    INSERT INTO queues (model) VALUES (NEW.model) ON CONFLICT DO NOTHING;
    UPDATE streams SET last = last + 1 WHERE stream = (
        SELECT queue * 4 + CASE NEW.priority WHEN 'high' THEN 1 WHEN 'low' THEN 3 ELSE 2 END
        FROM queues WHERE model = NEW.model
    );
    INSERT INTO requests (slot, accepted, raw, id, reply_to, body)
    SELECT
        last,
        CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER),
        CAST(json_object(
            'v', NEW.v, 'id', NEW.id, 'reply_to', NEW.reply_to, 'ttl', NEW.ttl, 'ref', NEW.ref,
            'method', NEW.method, 'content_type', NEW.content_type, 'rows', NEW.rows, 'key', NEW.key,
            'traceparent', NEW.traceparent
        ) AS BLOB),
        iif(NEW.id GLOB '*[^-A-Za-z0-9._]*', '', ifnull(NEW.id, '')),
        iif(NEW.reply_to GLOB '*[^-A-Za-z0-9._]*', '', ifnull(NEW.reply_to, '')),
        CAST(NEW.body AS BLOB)
    FROM streams WHERE stream = (
        SELECT queue * 4 + CASE NEW.priority WHEN 'high' THEN 1 WHEN 'low' THEN 3 ELSE 2 END
        FROM queues WHERE model = NEW.model
    );
    UPDATE queues SET requests = requests + 1, bytes = bytes + ifnull(length(CAST(NEW.body AS BLOB)), 0)
    WHERE model = NEW.model;
END;

PRAGMA user_version = 2;

COMMIT;
