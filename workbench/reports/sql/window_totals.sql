-- What the aggregates job made of the day's executions: its windows of a minute, and the
-- executions that came too late for any window.
WITH windows AS (
    SELECT
        coalesce(sum(trade_count), 0) AS executions,
        coalesce(sum(total_volume), 0) AS volume,
        coalesce(sum(total_value), 0) AS notional
    FROM market.trade_aggregates_current
    WHERE window_size = '1m' AND window_start >= $since AND window_start < $until
), late AS (
    SELECT
        count(*) AS executions,
        coalesce(sum(quantity), 0) AS volume,
        coalesce(sum(notional(price, quantity)), 0) AS notional
    FROM ops.late_rows
    WHERE job = 'aggregates' AND event_time >= $since AND event_time < $until
)
SELECT
    (windows.executions + late.executions)::BIGINT AS executions,
    late.executions AS late,
    windows.volume + late.volume AS volume,
    windows.notional + late.notional AS notional
FROM windows, late
