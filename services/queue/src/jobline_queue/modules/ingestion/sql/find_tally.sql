-- What an INGEST_DATA job was given, and how far its records are stored. Params: job_id. Columns: payload, the number of
-- values of its input, the tally (null: nobody has stored any here). Index: primary keys.
SELECT j.payload, j.input_items,
       (SELECT s.output FROM jobline.steps s WHERE s.job_id = j.id AND s.name = 'records')
FROM jobline.jobs j WHERE j.id = CAST(%(job_id)s AS uuid)
