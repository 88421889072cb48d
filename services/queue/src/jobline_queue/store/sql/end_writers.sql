-- Ends the sessions that still hold the shared lock `writers`: the writing connections of the term before.
-- Params: classid, objid (the two halves of the lock's key). Columns: pid of each session told to end.
SELECT pid FROM (
    SELECT DISTINCT pid FROM pg_locks
    WHERE locktype = 'advisory' AND classid = %(classid)s AND objid = %(objid)s AND objsubid = 1
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid()
) holders
WHERE pg_terminate_backend(pid)
