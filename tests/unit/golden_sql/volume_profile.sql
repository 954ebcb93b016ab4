-- Volume of AAPL by 15m of the day
--
-- symbol: string
-- bucket_start: timestamp[us, tz=UTC] [UTC]
-- bucket_end: timestamp[us, tz=UTC] [UTC]
-- trade_count: int64 [executions]
-- volume: decimal128(38, 8) [shares or coins]
-- share_pct: decimal128(38, 4) [% of the day so far]
-- cumulative_share_pct: decimal128(38, 4) [% of the day so far]
-- avg_volume: decimal128(38, 8) [shares or coins a day]
-- avg_share_pct: decimal128(38, 4) [% of a day up to the same time]
-- pct_vs_history: decimal128(38, 2) [%]
-- days: int64 [days with volume]

-- $window_size = '15m'
-- The last moment of the newest window of $window_size.
SELECT max(window_end) - INTERVAL 1 MICROSECOND AS moment
FROM market.trade_aggregates
WHERE window_size = $window_size

-- $symbol = 'AAPL'
-- Whether $symbol has ever traded or is in the reference data; no row when nothing has traded.
SELECT
    EXISTS (FROM market.executions WHERE symbol = $symbol)
    OR EXISTS (FROM reference.symbols WHERE symbol = $symbol) AS known
WHERE EXISTS (FROM market.executions)

-- $as_of = datetime.datetime(2024, 8, 8, 17, 44, 59, 999999, tzinfo=zoneinfo.ZoneInfo(key='UTC'))
-- $days = 30
-- $midnight = datetime.datetime(2024, 8, 8, 0, 0, tzinfo=datetime.timezone.utc)
-- $symbol = 'AAPL'
-- $window_minutes = 15
-- $window_size = '15m'
-- Windows of $window_size of $symbol: those of the day of $as_of that were over by then, against
-- the windows at the same times of the $days days before.
WITH windows AS (
    SELECT
        CAST(window_start AS DATE) AS day,
        epoch_us(window_start) // 60000000 % 1440 AS minute,
        trade_count,
        total_volume AS volume
    FROM market.trade_aggregates_current
    WHERE symbol = $symbol
      AND window_size = $window_size
      AND window_start >= $midnight - to_days(CAST($days AS INTEGER))
      AND window_start <= $as_of
),
-- A window lasts up to the microsecond before the next one begins.
over AS (
    SELECT * FROM windows
    WHERE $midnight + to_minutes(minute + $window_minutes) - INTERVAL 1 MICROSECOND <= $as_of
),
daily AS (
    SELECT day, sum(volume) AS day_volume
    FROM over
    GROUP BY day
),
baseline AS (
    SELECT count(*) FILTER (WHERE day < CAST($midnight AS DATE)) AS days FROM daily
),
history AS (
    SELECT
        minute,
        sum(volume) AS volumes,
        -- Of each day by itself, in units of 0.00000001, so that no day outweighs another.
        sum(half_up(units8(volume) * CAST(100000000 AS HUGEINT), units8(day_volume))) AS shares
    FROM over
    JOIN daily USING (day)
    WHERE day < CAST($midnight AS DATE)
    GROUP BY minute
),
today AS (
    SELECT minute, trade_count, volume
    FROM over
    WHERE day = CAST($midnight AS DATE)
),
buckets AS (
    SELECT
        minute,
        coalesce(trade_count, 0) AS trade_count,
        coalesce(volume, 0) AS volume,
        coalesce(volumes, 0) AS volumes,
        coalesce(shares, 0) AS shares
    FROM today
    FULL JOIN history USING (minute)
)
SELECT
    CAST($symbol AS VARCHAR) AS symbol,
    $midnight + to_minutes(minute) AS bucket_start,
    $midnight + to_minutes(minute + $window_minutes) AS bucket_end,
    trade_count,
    CAST(volume AS DECIMAL(38, 8)) AS volume,
    percent_of(units8(volume), sum(units8(volume)) OVER ()) AS share_pct,
    percent_of(sum(units8(volume)) OVER (ORDER BY minute), sum(units8(volume)) OVER ())
        AS cumulative_share_pct,
    mean_volume(volumes, days) AS avg_volume,
    of_units4_wide(half_up(shares, CAST(days AS HUGEINT) * 100)) AS avg_share_pct,
    percent_of_mean(volume, volumes, days) AS pct_vs_history,
    days
FROM buckets
CROSS JOIN baseline
ORDER BY bucket_start
