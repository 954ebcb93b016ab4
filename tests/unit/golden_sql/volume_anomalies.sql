-- Volume of the day against 30 days before, the most unusual first
--
-- symbol: string
-- sector: string
-- trade_count: int64 [executions]
-- volume: decimal128(38, 8) [shares or coins]
-- notional: decimal128(38, 16) [quote currency]
-- avg_volume: decimal128(38, 8) [shares or coins a day]
-- pct_vs_history: decimal128(38, 2) [%]
-- z_score: decimal128(38, 4) [standard deviations]
-- unusual: bool
-- days: int64 [days with volume]

-- $as_of = datetime.datetime(2024, 8, 8, 17, 53, 4, 111000, tzinfo=datetime.timezone.utc)
-- $day = datetime.date(2024, 8, 8)
-- $days = 30
-- $midnight = datetime.datetime(2024, 8, 8, 0, 0, tzinfo=datetime.timezone.utc)
-- $threshold = Decimal('3.0000')
-- Volume of the day of $as_of, up to it, against the days with volume in the $days days before,
-- each up to the same time of day.
WITH daily AS (
    SELECT
        symbol,
        CAST(event_time AS DATE) AS day,
        count(*) AS trade_count,
        sum(quantity) AS volume,
        sum(notional(price, quantity)) AS notional
    FROM market.executions
    WHERE event_time >= $midnight - to_days(CAST($days AS INTEGER))
      AND event_time <= $as_of
      AND epoch_us(event_time) % 86400000000 <= epoch_us($as_of) % 86400000000
    GROUP BY symbol, day
),
compared AS (
    SELECT
        symbol,
        coalesce(sum(trade_count) FILTER (WHERE day = $day), 0) AS trade_count,
        coalesce(sum(volume) FILTER (WHERE day = $day), 0) AS volume,
        coalesce(sum(notional) FILTER (WHERE day = $day), 0) AS notional,
        sum(volume) FILTER (WHERE day < $day) AS volumes,
        count(*) FILTER (WHERE day < $day) AS days,
        -- In order, so that two runs add up the same way.
        list(volume ORDER BY day) FILTER (WHERE day < $day) AS baseline
    FROM daily
    GROUP BY symbol
),
scored AS (
    SELECT *, z_score(volume, baseline) AS z_score FROM compared
)
SELECT
    symbol,
    coalesce(reference.sector, 'UNKNOWN') AS sector,
    CAST(trade_count AS BIGINT) AS trade_count,
    CAST(volume AS DECIMAL(38, 8)) AS volume,
    CAST(notional AS DECIMAL(38, 16)) AS notional,
    mean_volume(volumes, days) AS avg_volume,
    percent_of_mean(volume, volumes, days) AS pct_vs_history,
    z_score,
    coalesce(abs(z_score) >= $threshold, false) AS unusual,
    days
FROM scored
LEFT JOIN reference.symbols AS reference USING (symbol)
ORDER BY abs(z_score) DESC NULLS LAST, notional DESC, symbol
