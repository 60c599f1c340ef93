-- Rows that are valid at revision 2301, that of release 2.3.
INSERT INTO incidents (source, key, title, opened_at)
SELECT (ARRAY['grafana', 'zabbix', 'uptime-kuma', 'healthchecks'])[1 + n % 4], format('host-%s', n),
       CASE n % 3 WHEN 0 THEN '[critical] ' WHEN 1 THEN '[warning] ' ELSE '' END || format('disk %s is full', n),
       timestamptz '2026-01-10 00:00+00' + n * interval '1 hour'
FROM generate_series(1, 90) AS n;
INSERT INTO reports (report_id, incident, body, received_at)
SELECT format('seed-%s', id), id, jsonb_build_object('key', key, 'title', title), opened_at FROM incidents;
