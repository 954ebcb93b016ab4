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
