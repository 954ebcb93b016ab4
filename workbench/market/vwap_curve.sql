-- Executions of $symbol from $midnight to $as_of by the minute, and the day so far at its end.
WITH minutes AS (
    SELECT
        date_trunc('minute', event_time) AS minute,
        arg_max(price, (event_time, source_offset, source_partition, source_topic)) AS price,
        min(price) AS low_price,
        max(price) AS high_price,
        count(*) AS trade_count,
        sum(quantity) AS volume,
        sum(notional(price, quantity)) AS notional
    FROM market.executions
    WHERE symbol = $symbol AND event_time >= $midnight AND event_time <= $as_of
    GROUP BY minute
)
SELECT
    CAST($symbol AS VARCHAR) AS symbol,
    minute,
    price,
    low_price,
    high_price,
    trade_count,
    CAST(volume AS DECIMAL(38, 8)) AS volume,
    CAST(notional AS DECIMAL(38, 16)) AS notional,
    vwap(notional, volume) AS minute_vwap,
    CAST(sum(volume) OVER day AS DECIMAL(38, 8)) AS day_volume,
    CAST(sum(notional) OVER day AS DECIMAL(38, 16)) AS day_notional,
    vwap(sum(notional) OVER day, sum(volume) OVER day) AS vwap
FROM minutes
WINDOW day AS (ORDER BY minute)
ORDER BY minute
