-- Sectors in 24 h
--
-- sector: string
-- trade_count: int64 [executions]
-- total_volume: decimal128(38, 8) [shares or coins]
-- total_notional: decimal128(38, 16) [quote currency]
-- symbols: int64 [symbols that traded]
-- return_weighted_pct: decimal128(38, 4) [%]
-- return_equal_pct: decimal128(38, 4) [%]
-- advancers: int64 [symbols]
-- decliners: int64 [symbols]

-- $as_of = datetime.datetime(2024, 8, 8, 17, 53, 4, 111000, tzinfo=datetime.timezone.utc)
-- $since = datetime.datetime(2024, 8, 7, 17, 53, 4, 111000, tzinfo=datetime.timezone.utc)
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
