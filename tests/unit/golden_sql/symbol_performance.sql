-- Symbols of all sectors in 24 h
--
-- symbol: string
-- sector: string
-- trade_count: int64 [executions]
-- total_volume: decimal128(38, 8) [shares or coins]
-- total_notional: decimal128(38, 16) [quote currency]
-- sector_share_pct: decimal128(38, 4) [% of the sector]
-- first_price: decimal128(18, 8) [quote currency]
-- last_price: decimal128(18, 8) [quote currency]
-- return_pct: decimal128(38, 2) [%]

-- $as_of = datetime.datetime(2024, 8, 8, 17, 53, 4, 111000, tzinfo=datetime.timezone.utc)
-- $sector = None
-- $since = datetime.datetime(2024, 8, 7, 17, 53, 4, 111000, tzinfo=datetime.timezone.utc)
-- Executions in ($since, $as_of] by symbol: return, notional, and the share of the symbol's sector.
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
placed AS (
    SELECT
        *,
        coalesce(reference.sector, 'UNKNOWN') AS in_sector,
        sum(cents(notional)) OVER (PARTITION BY coalesce(reference.sector, 'UNKNOWN')) AS whole
    FROM symbols
    LEFT JOIN reference.symbols AS reference USING (symbol)
)
SELECT
    symbol,
    in_sector AS sector,
    trade_count,
    CAST(volume AS DECIMAL(38, 8)) AS total_volume,
    CAST(notional AS DECIMAL(38, 16)) AS total_notional,
    percent_of(cents(notional), whole) AS sector_share_pct,
    first_price,
    last_price,
    percent_change(first_price, last_price) AS return_pct
FROM placed
WHERE CAST($sector AS VARCHAR) IS NULL OR in_sector = $sector
ORDER BY total_notional DESC, symbol
