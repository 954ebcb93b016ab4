-- Executions of $account_id up to $as_of, in the order they happened, each with the number of its
-- interval since 1970.
SELECT
    epoch_us(event_time) // $every_us AS number,
    symbol,
    CASE side WHEN 'BUY' THEN quantity ELSE -quantity END AS quantity,
    price
FROM market.executions
WHERE account_id = $account_id AND event_time <= $as_of
ORDER BY event_time, source_offset, source_partition, source_topic, trade_id
