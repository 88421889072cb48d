-- pause, resume of a queue. Params: queue, paused, paused_by, paused_at (null unless paused), reason, event, actor. No columns.
WITH noted AS (
    INSERT INTO jobline.events (queue, name, actor, detail) VALUES (%(queue)s, %(event)s, %(actor)s, %(reason)s)
)
INSERT INTO jobline.queues (name, paused, paused_by, paused_at, pause_reason)
VALUES (%(queue)s, %(paused)s, %(paused_by)s, to_timestamp(%(paused_at)s::float8), %(reason)s)
ON CONFLICT (name) DO UPDATE SET
    paused = excluded.paused, paused_by = excluded.paused_by, paused_at = excluded.paused_at,
    pause_reason = excluded.pause_reason, changed_at = now()
