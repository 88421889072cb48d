-- The newest event id, 0 for none. Columns: id. Index: primary key.
SELECT coalesce(max(id), 0) FROM jobline.events
