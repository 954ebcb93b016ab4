-- Top 20 symbols by volume in 24 h
--
-- symbol: string
-- trade_count: int64 [executions]
-- total_volume: decimal128(38, 8) [shares or coins]
-- total_notional: decimal128(38, 16) [quote currency]
-- vwap: decimal128(18, 4) [quote currency]
-- low_price: decimal128(18, 8) [quote currency]
-- high_price: decimal128(18, 8) [quote currency]
-- price_range_pct: decimal128(38, 2) [%]

-- $as_of = datetime.datetime(2024, 8, 8, 17, 53, 4, 111000, tzinfo=datetime.timezone.utc)
-- $n = 20
-- $since = datetime.datetime(2024, 8, 7, 17, 53, 4, 111000, tzinfo=datetime.timezone.utc)
-- Executions in ($since, $as_of] by symbol, the largest volume first.
SELECT
    symbol,
    count(*) AS trade_count,
    CAST(sum(quantity) AS DECIMAL(38, 8)) AS total_volume,
    sum(notional(price, quantity)) AS total_notional,
    vwap(sum(notional(price, quantity)), sum(quantity)) AS vwap,
    min(price) AS low_price,
    max(price) AS high_price,
    percent_change(min(price), max(price)) AS price_range_pct
FROM market.executions
WHERE event_time > $since AND event_time <= $as_of
GROUP BY symbol
ORDER BY total_volume DESC, symbol
LIMIT $n
