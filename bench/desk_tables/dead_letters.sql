-- A refused record for about a thousand events.
SELECT
    'dlq.trades' AS topic,
    'invalid-json' AS error_type,
    'unexpected end' AS error_message,
    source_topic,
    source_partition,
    source_offset,
    'landing' AS job,
    event_time AS failed_at
FROM trades
WHERE source_offset % 991 = 0
