-- Executions in ($since, $as_of] by sector; a symbol's return is its last price over its first.
-- Returns are whole numbers in units of 10^-8, weights in hundredths: their sums fit 38 digits.
WITH symbols AS (
    SELECT
        symbol,
        count(*) AS trade_count,
        sum(quantity) AS volume,
        sum(notional(price, quantity)) AS notional,
        arg_min(price, (event_time, source_offset, source_partition)) AS first_price,
        arg_max(price, (event_time, source_offset, source_partition)) AS last_price
    FROM market.executions
    WHERE event_time > $since AND event_time <= $as_of
    GROUP BY symbol
),
returns AS (
    SELECT
        *,
        half_up(
            (units8(last_price) - units8(first_price)) * CAST(100000000 AS HUGEINT),
            units8(first_price)
        ) AS change,
        half_up(units16(notional), 100000000000000) AS weight
    FROM symbols
)
SELECT
    coalesce(reference.sector, 'UNKNOWN') AS sector,
    CAST(sum(trade_count) AS BIGINT) AS trade_count,
    CAST(sum(volume) AS DECIMAL(38, 8)) AS total_volume,
    CAST(sum(notional) AS DECIMAL(38, 16)) AS total_notional,
    count(*) AS symbols,
    of_units4_wide(half_up(sum(change * weight), sum(weight) * 100)) AS return_weighted_pct,
    of_units4_wide(half_up(sum(change), count(*) * 100)) AS return_equal_pct,
    count(*) FILTER (WHERE last_price > first_price) AS advancers,
    count(*) FILTER (WHERE last_price < first_price) AS decliners
FROM returns
LEFT JOIN reference.symbols AS reference USING (symbol)
GROUP BY coalesce(reference.sector, 'UNKNOWN')
ORDER BY total_notional DESC, sector
