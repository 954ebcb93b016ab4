-- Exposure of all accounts by sector
--
-- sector: string
-- symbols: int64 [symbols held]
-- accounts: int64 [accounts]
-- long_value: decimal128(38, 16) [quote currency]
-- short_value: decimal128(38, 16) [quote currency]
-- gross_exposure: decimal128(38, 16) [quote currency]
-- net_exposure: decimal128(38, 16) [quote currency]
-- gross_share_pct: decimal128(38, 4) [% of gross exposure]
-- net_share_pct: decimal128(38, 4) [% of gross exposure]

-- $account_id = None
-- $as_of = datetime.datetime(2024, 8, 8, 17, 53, 4, 111000, tzinfo=datetime.timezone.utc)
-- Open positions at $as_of, of $account_id or of every account, at the last price, by sector.
WITH positions AS (
    SELECT
        account_id,
        symbol,
        sum(CASE side WHEN 'BUY' THEN quantity ELSE -quantity END) AS position
    FROM market.executions
    WHERE event_time <= $as_of
      AND account_id IS NOT NULL
      AND (CAST($account_id AS VARCHAR) IS NULL OR account_id = $account_id)
    GROUP BY account_id, symbol
    HAVING position <> 0
),
marks AS (
    SELECT
        symbol,
        arg_max(price, (event_time, source_offset, source_partition, source_topic)) AS price
    FROM market.executions
    WHERE event_time <= $as_of AND symbol IN (SELECT symbol FROM positions)
    GROUP BY symbol
),
valued AS (
    SELECT
        account_id,
        symbol,
        coalesce(reference.sector, 'UNKNOWN') AS sector,
        notional(price, position) AS market_value
    FROM positions
    JOIN marks USING (symbol)
    LEFT JOIN reference.symbols AS reference USING (symbol)
),
sectors AS (
    SELECT
        sector,
        count(DISTINCT symbol) AS symbols,
        count(DISTINCT account_id) AS accounts,
        sum(greatest(market_value, 0)) AS long_value,
        sum(greatest(-market_value, 0)) AS short_value
    FROM valued
    GROUP BY sector
)
SELECT
    sector,
    symbols,
    accounts,
    CAST(long_value AS DECIMAL(38, 16)) AS long_value,
    CAST(short_value AS DECIMAL(38, 16)) AS short_value,
    CAST(long_value + short_value AS DECIMAL(38, 16)) AS gross_exposure,
    CAST(long_value - short_value AS DECIMAL(38, 16)) AS net_exposure,
    percent_of(
        cents(long_value + short_value), sum(cents(long_value + short_value)) OVER ()
    ) AS gross_share_pct,
    percent_of(
        cents(long_value - short_value), sum(cents(long_value + short_value)) OVER ()
    ) AS net_share_pct
FROM sectors
ORDER BY gross_exposure DESC, sector
