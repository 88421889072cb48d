-- An act that is no job's. Params: queue (empty: none), event, actor, detail. No columns.
INSERT INTO jobline.events (queue, name, actor, detail) VALUES (%(queue)s, %(event)s, %(actor)s, %(detail)s)
