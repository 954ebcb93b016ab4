-- Dead letters by topic and reason.
SELECT topic, error_type, count(*) AS records
FROM ops.dead_letters
GROUP BY topic, error_type
ORDER BY topic, error_type
