-- The last price anybody paid in every interval up to $as_of, for each symbol that $account_id has
-- traded.
SELECT
    epoch_us(event_time) // $every_us AS number,
    symbol,
    arg_max(price, (event_time, source_offset, source_partition, source_topic, trade_id)) AS price
FROM market.executions
WHERE event_time <= $as_of
  AND symbol IN (
      SELECT symbol FROM market.executions
      WHERE account_id = $account_id AND event_time <= $as_of
  )
GROUP BY number, symbol
ORDER BY number, symbol
