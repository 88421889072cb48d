-- Grants a chore at one of its times to who asks first. What is older than 30 days is forgotten, and granted to nobody.
-- Params: name, fire_time (epoch seconds), granted_to. Columns: name, if it was granted.
WITH old AS (
    DELETE FROM jobline.chore_runs WHERE name = %(name)s AND fire_time < now() - interval '30 days'
)
INSERT INTO jobline.chore_runs (name, fire_time, granted_to)
SELECT %(name)s, to_timestamp(%(fire_time)s), %(granted_to)s
WHERE to_timestamp(%(fire_time)s) >= now() - interval '30 days'
ON CONFLICT DO NOTHING
RETURNING name
