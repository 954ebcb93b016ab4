-- The letters (dead_letters/letters.sql) by job, topic and reason.
SELECT
    job,
    source_topic,
    topic,
    error_type,
    count(*) AS records,
    count(*) FILTER (state = 'pending') AS pending,
    count(*) FILTER (state = 'unclear') AS unclear,
    count(*) FILTER (state = 'replayed') AS replayed,
    min(failed_at) AS first_failed,
    max(failed_at) AS last_failed
FROM letters
WHERE ($state IS NULL OR state = $state) AND NOT ($unsent AND state = 'replayed')
GROUP BY job, source_topic, topic, error_type
ORDER BY records DESC, job, source_topic, topic, error_type
