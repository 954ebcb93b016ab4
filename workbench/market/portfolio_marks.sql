-- The last price anybody paid, up to $as_of, for each symbol that $account_id has traded.
SELECT
    symbol,
    arg_max(price, (event_time, source_offset, source_partition, source_topic, trade_id)) AS price
FROM market.executions
WHERE event_time <= $as_of
  AND symbol IN (
      SELECT symbol FROM market.executions
      WHERE account_id = $account_id AND event_time <= $as_of
  )
GROUP BY symbol
ORDER BY symbol
