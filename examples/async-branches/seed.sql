-- Rows that are valid at 5f1c2a90d7be, the newest revision of release 5.1.
INSERT INTO repositories (full_name) SELECT format('team-%s/project-%s', n % 5, n) FROM generate_series(1, 25) AS n;
INSERT INTO deliveries (delivery_id, forge, repository, ref, payload, received_at)
SELECT format('seed-%s', n), (ARRAY['github', 'gitea', 'forgejo', 'bitbucket'])[1 + n % 4], r.id,
       CASE n % 3 WHEN 0 THEN 'refs/tags/v' || n ELSE 'refs/heads/main' END,
       jsonb_build_object('repository', r.full_name, 'author', format('dev%s@example.org', 1 + n % 10)),
       timestamptz '2026-05-01 00:00+00' + n * interval '5 min'
FROM generate_series(1, 200) AS n JOIN repositories AS r ON r.full_name = format('team-%s/project-%s', (1 + n % 25) % 5, 1 + n % 25);
