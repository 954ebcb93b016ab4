-- An execution for about a thousand that came 40 s too late. A prime, so that it is of all symbols.
SELECT
    'aggregates' AS job,
    symbol,
    event_time,
    event_time + INTERVAL 40 SECOND AS watermark,
    40000 AS lateness_ms,
    trade_id,
    side,
    quantity,
    price,
    source_topic,
    source_partition,
    source_offset,
    source_time
FROM trades
WHERE source_offset % 997 = 0 AND list_contains($executions, status)
