-- The organization that an analysis has stored. Params: job_id. Columns: id. Index: primary key.
SELECT CAST(organization_id AS text) FROM jobline.job_organizations WHERE job_id = %(job_id)s
