-- Ends the term before: raises the epoch. Run while `writers` is held exclusively. Params: instance. Columns: epoch, and
-- the database's clock in epoch seconds.
UPDATE jobline.epoch SET epoch = epoch + 1, instance = %(instance)s, taken_at = now()
RETURNING epoch, extract(epoch FROM clock_timestamp())::float8
