-- Whether a business exists, and whether a role may do an action in it. The role is the given one, else that of the user's
-- membership; one that the matrix does not know counts as User. Roles compare without regard to the case of A-Z: which other
-- letters are the same would depend on the database's locale.
-- Params: business_id, action, role (null: none given), user_id. Columns: exists, allowed. Index: primary keys.
SELECT EXISTS (SELECT 1 FROM public.businesses WHERE id = %(business_id)s) AS exists,
       coalesce((
           SELECT p.allowed FROM public.role_permissions p
           WHERE p.action = %(action)s
             AND lower(p.role COLLATE "C") = CASE WHEN known.yes THEN lower(own.role COLLATE "C") ELSE 'user' END
       ), false) AND own.role IS NOT NULL AS allowed
FROM (
    SELECT coalesce(CAST(%(role)s AS text), (
        SELECT m.role FROM public.business_members m
        WHERE m.user_id = %(user_id)s AND m.business_id = %(business_id)s
    )) AS role
) own, LATERAL (
    SELECT EXISTS (
        SELECT 1 FROM public.role_permissions p WHERE lower(p.role COLLATE "C") = lower(own.role COLLATE "C")
    ) AS yes
) known
