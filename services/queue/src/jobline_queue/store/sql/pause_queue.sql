-- pause, resume of a queue. Params: queue, paused, event, actor, detail. No columns.
WITH noted AS (
    INSERT INTO jobline.events (queue, name, actor, detail) VALUES (%(queue)s, %(event)s, %(actor)s, %(detail)s)
)
INSERT INTO jobline.queues (name, paused) VALUES (%(queue)s, %(paused)s)
ON CONFLICT (name) DO UPDATE SET paused = excluded.paused, changed_at = now()
