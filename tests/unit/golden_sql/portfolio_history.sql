-- Portfolio of A1 by 1d
--
-- interval_start: timestamp[us, tz=UTC] [UTC]
-- valued_at: timestamp[us, tz=UTC] [UTC]
-- trade_count: int64 [executions]
-- open_symbols: int64 [symbols held]
-- cash_flow: decimal128(38, 16) [quote currency]
-- market_value: decimal128(38, 16) [quote currency]
-- realised_average: decimal128(38, 16) [quote currency]
-- unrealised_average: decimal128(38, 16) [quote currency]
-- realised_fifo: decimal128(38, 16) [quote currency]
-- unrealised_fifo: decimal128(38, 16) [quote currency]
-- profit: decimal128(38, 16) [quote currency]
-- profit_change: decimal128(38, 16) [quote currency]

-- $account_id = 'A1'
-- $as_of = datetime.datetime(2024, 8, 8, 17, 53, 4, 111000, tzinfo=datetime.timezone.utc)
-- $every_us = 86400000000
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

-- $account_id = 'A1'
-- $as_of = datetime.datetime(2024, 8, 8, 17, 53, 4, 111000, tzinfo=datetime.timezone.utc)
-- $every_us = 86400000000
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
