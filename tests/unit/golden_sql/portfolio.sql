-- Portfolio of A1
--
-- symbol: string
-- bought_qty: decimal128(38, 8) [shares or coins]
-- sold_qty: decimal128(38, 8) [shares or coins]
-- net_position: decimal128(38, 8) [shares or coins]
-- net_cost: decimal128(38, 16) [quote currency]
-- net_cost_per_unit: decimal128(38, 4) [quote currency]
-- trade_count: int64 [executions]
-- average_cost: decimal128(38, 8) [quote currency]
-- cost_basis: decimal128(38, 16) [quote currency]
-- realised_average: decimal128(38, 16) [quote currency]
-- realised_fifo: decimal128(38, 16) [quote currency]
-- last_price: decimal128(18, 8) [quote currency]
-- market_value: decimal128(38, 16) [quote currency]
-- unrealised_average: decimal128(38, 16) [quote currency]
-- unrealised_fifo: decimal128(38, 16) [quote currency]

-- $account_id = 'A1'
-- $as_of = datetime.datetime(2024, 8, 8, 17, 53, 4, 111000, tzinfo=datetime.timezone.utc)
-- Executions of $account_id up to $as_of, in the order they happened; symbols one after another.
SELECT
    symbol,
    CASE side WHEN 'BUY' THEN quantity ELSE -quantity END AS quantity,
    price
FROM market.executions
WHERE account_id = $account_id AND event_time <= $as_of
ORDER BY symbol, event_time, source_offset, source_partition, source_topic, trade_id

-- $account_id = 'A1'
-- $as_of = datetime.datetime(2024, 8, 8, 17, 53, 4, 111000, tzinfo=datetime.timezone.utc)
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
