-- Executions of $account_id up to $as_of, in the order they happened; symbols one after another.
SELECT
    symbol,
    CASE side WHEN 'BUY' THEN quantity ELSE -quantity END AS quantity,
    price
FROM market.executions
WHERE account_id = $account_id AND event_time <= $as_of
ORDER BY symbol, event_time, source_offset, source_partition, source_topic, trade_id
