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
