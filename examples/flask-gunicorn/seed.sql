-- Rows that are valid at revision 0002, the newest of release 1.0.0.
INSERT INTO parcels (number, carrier, status, updated_at)
SELECT format('P%s', n), (ARRAY['dhl', 'ups', 'gls', 'fedex'])[1 + n % 4],
       (ARRAY['accepted', 'in transit', 'delivered'])[1 + n % 3], timestamptz '2026-03-01 06:00+00' + n * interval '7 min'
FROM generate_series(1, 120) AS n;
INSERT INTO deliveries (event_id, carrier, parcel, status, payload, received_at)
SELECT format('seed-%s-%s', p.number, stage), p.carrier, p.number, p.status,
       jsonb_build_object('event_id', format('seed-%s-%s', p.number, stage), 'parcel', p.number, 'status', p.status),
       p.updated_at - (2 - stage) * interval '1 hour'
FROM parcels AS p, generate_series(1, 2) AS stage;
