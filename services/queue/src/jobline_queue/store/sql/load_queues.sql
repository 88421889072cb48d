-- What operators have set of queues; null: as the policy says. Columns: name, paused, paused_by, paused_at, pause_reason,
-- max_running.
SELECT name, paused, paused_by, extract(epoch FROM paused_at)::float8, pause_reason, max_running FROM jobline.queues
