-- Removes the minutes of all queues before a time. Params: before (epoch seconds). No columns.
DELETE FROM jobline.queue_minutes WHERE minute < to_timestamp(%(before)s::float8)
