-- The same from the one-minute windows of the aggregates job.
SELECT
    coalesce(sum(trade_count), 0)::BIGINT AS executions,
    coalesce(sum(total_volume), 0) AS volume,
    coalesce(sum(total_value), 0) AS notional
FROM market.trade_aggregates_current
WHERE window_size = '1m' AND window_start >= $since AND window_start < $until
