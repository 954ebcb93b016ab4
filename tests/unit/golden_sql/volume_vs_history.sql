-- Volume of AAPL against its history
--
-- symbol: string
-- day: date32[day]
-- volume: decimal128(38, 8) [shares or coins]
-- avg_volume_7d: decimal128(38, 8) [shares or coins a day]
-- avg_volume_30d: decimal128(38, 8) [shares or coins a day]
-- avg_volume_90d: decimal128(38, 8) [shares or coins a day]
-- pct_vs_7d: decimal128(38, 2) [%]
-- pct_vs_30d: decimal128(38, 2) [%]
-- pct_vs_90d: decimal128(38, 2) [%]
-- days_7d: int64 [days with volume]
-- days_30d: int64 [days with volume]
-- days_90d: int64 [days with volume]
-- z_score_7d: decimal128(38, 4) [standard deviations]
-- z_score_30d: decimal128(38, 4) [standard deviations]
-- z_score_90d: decimal128(38, 4) [standard deviations]

-- $symbol = 'AAPL'
-- Whether $symbol has ever traded or is in the reference data; no row when nothing has traded.
SELECT
    EXISTS (FROM market.executions WHERE symbol = $symbol)
    OR EXISTS (FROM reference.symbols WHERE symbol = $symbol) AS known
WHERE EXISTS (FROM market.executions)

-- $as_of = datetime.datetime(2024, 8, 8, 17, 53, 4, 111000, tzinfo=datetime.timezone.utc)
-- $day = datetime.date(2024, 8, 8)
-- $symbol = 'AAPL'
-- The volume of the day of $as_of, up to it, against the days with volume in the 7, 30 and 90
-- calendar days before.
WITH daily AS (
    SELECT CAST(event_time AS DATE) AS day, sum(quantity) AS volume
    FROM market.executions
    WHERE symbol = $symbol
      AND event_time <= $as_of
      AND event_time >= CAST($day AS DATE) - INTERVAL 90 DAY
    GROUP BY day
),
history AS (
    SELECT
        coalesce(sum(volume) FILTER (WHERE day = $day), 0) AS volume,
        sum(volume) FILTER (WHERE day < $day AND day >= $day - 7) AS volume_7d,
        sum(volume) FILTER (WHERE day < $day AND day >= $day - 30) AS volume_30d,
        sum(volume) FILTER (WHERE day < $day) AS volume_90d,
        count(*) FILTER (WHERE day < $day AND day >= $day - 7) AS days_7d,
        count(*) FILTER (WHERE day < $day AND day >= $day - 30) AS days_30d,
        count(*) FILTER (WHERE day < $day) AS days_90d,
        -- In order, so that two runs add up the same way.
        list(volume ORDER BY day) FILTER (WHERE day < $day AND day >= $day - 7) AS volumes_7d,
        list(volume ORDER BY day) FILTER (WHERE day < $day AND day >= $day - 30) AS volumes_30d,
        list(volume ORDER BY day) FILTER (WHERE day < $day) AS volumes_90d
    FROM daily
)
SELECT
    CAST($symbol AS VARCHAR) AS symbol,
    CAST($day AS DATE) AS day,
    CAST(volume AS DECIMAL(38, 8)) AS volume,
    mean_volume(volume_7d, days_7d) AS avg_volume_7d,
    mean_volume(volume_30d, days_30d) AS avg_volume_30d,
    mean_volume(volume_90d, days_90d) AS avg_volume_90d,
    percent_of_mean(volume, volume_7d, days_7d) AS pct_vs_7d,
    percent_of_mean(volume, volume_30d, days_30d) AS pct_vs_30d,
    percent_of_mean(volume, volume_90d, days_90d) AS pct_vs_90d,
    days_7d,
    days_30d,
    days_90d,
    z_score(volume, volumes_7d) AS z_score_7d,
    z_score(volume, volumes_30d) AS z_score_30d,
    z_score(volume, volumes_90d) AS z_score_90d
FROM history
WHERE EXISTS (FROM market.executions)
