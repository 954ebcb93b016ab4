-- An alert for about a hundred executions, of all symbols.
SELECT
    'a' || source_offset AS alert_id,
    'PRICE_MOVEMENT' AS alert_type,
    symbol,
    CASE WHEN side = 'BUY' THEN 'UP' ELSE 'DOWN' END AS direction,
    CAST(round(price * CASE WHEN side = 'BUY' THEN 0.98 ELSE 1.02 END, 2) AS DECIMAL(18, 8))
        AS baseline_price,
    price AS current_price,
    CAST(2 AS DECIMAL(18, 2)) AS pct_change,
    event_time - INTERVAL 1 MINUTE AS window_start,
    event_time AS detected_at,
    'MEDIUM' AS severity,
    source_topic,
    source_partition,
    source_offset,
    source_time
FROM trades
WHERE source_offset % 101 = 0 AND list_contains($executions, status)
