-- Minute by minute: price, volume and the VWAP of the day so far.
SELECT
    window_start AS minute,
    close_price AS price,
    low_price,
    high_price,
    total_volume AS volume,
    vwap(
        sum(total_value) OVER (ORDER BY window_start),
        sum(total_volume) OVER (ORDER BY window_start)
    ) AS vwap
FROM market.trade_aggregates_current
WHERE symbol = $symbol AND window_size = '1m'
  AND window_start >= $since AND window_start < $until
ORDER BY minute
