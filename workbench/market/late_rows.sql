-- Executions with an event time in ($since, $as_of] that came too late for any window.
SELECT
    job,
    symbol,
    count(*) AS executions,
    CAST(sum(quantity) AS DECIMAL(38, 8)) AS volume,
    sum(notional(price, quantity)) AS notional,
    quantile_disc(lateness_ms, 0.5) AS median_lateness_ms,
    max(lateness_ms) AS max_lateness_ms,
    min(event_time) AS first_event,
    max(event_time) AS last_event
FROM ops.late_rows
WHERE event_time > $since AND event_time <= $as_of
GROUP BY job, symbol
ORDER BY executions DESC, job, symbol
