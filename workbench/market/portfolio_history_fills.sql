-- Executions of $account_id up to $as_of, in the order they happened, each with its interval.
SELECT
    time_bucket($every, event_time, $origin) AS interval_start,
    symbol,
    CASE side WHEN 'BUY' THEN quantity ELSE -quantity END AS quantity,
    price
FROM market.executions
WHERE account_id = $account_id AND event_time <= $as_of
ORDER BY event_time, source_offset, source_partition, source_topic, trade_id
