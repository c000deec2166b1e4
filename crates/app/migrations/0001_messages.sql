-- What is said in rooms. How migrations have to be written is in src/database/migrations.rs.

-- A room comes into being with its first message. Kept by the trigger below, so that a list of rooms counts nothing.
CREATE TABLE rooms (
    name TEXT NOT NULL PRIMARY KEY,
    messages INTEGER NOT NULL DEFAULT 0,
    -- When the latest message was sent, in milliseconds since 1970; null before the first.
    latest INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX rooms_by_latest ON rooms (latest DESC, name);

-- There is always one to begin with.
INSERT INTO rooms (name) VALUES ('lobby');

CREATE TABLE messages (
    -- Never given out twice, also when the newest messages are deleted: pages tell messages apart by it.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    room TEXT NOT NULL REFERENCES rooms (name),
    author TEXT NOT NULL,
    -- Whether it came without a session, so that the author is whoever they said they are.
    outside INTEGER NOT NULL CHECK (outside IN (0, 1)),
    text TEXT NOT NULL,
    -- In milliseconds since 1970.
    sent INTEGER NOT NULL,
    -- What its sender knows the message by, so that one that is sent twice is stored once.
    nonce TEXT UNIQUE
) STRICT;

-- The ids of a room's messages are in their order in it.
CREATE INDEX messages_by_room ON messages (room);

CREATE TRIGGER messages_count AFTER INSERT ON messages BEGIN
    INSERT INTO rooms (name, messages, latest) VALUES (new.room, 1, new.sent)
    ON CONFLICT (name) DO UPDATE SET
        messages = messages + 1,
        latest = max(coalesce(latest, excluded.latest), excluded.latest);
END;
