-- The last price anybody paid, up to $as_of, for each symbol that $account_id has traded. The
-- moment first: of the other columns only rows of those moments are read.
WITH last AS (
    SELECT symbol, max(event_time) AS event_time
    FROM market.executions
    WHERE event_time <= $as_of
      AND symbol IN (
          SELECT symbol FROM market.executions
          WHERE account_id = $account_id AND event_time <= $as_of
      )
    GROUP BY symbol
)
SELECT
    symbol,
    arg_max(price, (source_offset, source_partition, source_topic, trade_id)) AS price
FROM market.executions
JOIN last USING (symbol, event_time)
GROUP BY symbol
ORDER BY symbol
