-- The last price anybody paid in every interval up to $as_of, for each symbol that $account_id has
-- traded.
SELECT
    time_bucket($every, event_time, $origin) AS interval_start,
    symbol,
    arg_max(price, (event_time, source_offset, source_partition, source_topic, trade_id)) AS price
FROM market.executions
WHERE event_time <= $as_of
  AND symbol IN (
      SELECT symbol FROM market.executions
      WHERE account_id = $account_id AND event_time <= $as_of
  )
GROUP BY interval_start, symbol
ORDER BY interval_start, symbol
