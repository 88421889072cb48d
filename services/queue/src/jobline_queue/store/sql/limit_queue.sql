-- An operator's limit of a queue. Params: queue, max_running (null: the policy's), actor, detail. No columns.
WITH noted AS (
    INSERT INTO jobline.events (queue, name, actor, detail) VALUES (%(queue)s, 'limit_changed', %(actor)s, %(detail)s)
)
INSERT INTO jobline.queues (name, paused, max_running) VALUES (%(queue)s, NULL, %(max_running)s::integer)
ON CONFLICT (name) DO UPDATE SET max_running = excluded.max_running, changed_at = now()
