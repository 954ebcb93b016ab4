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
