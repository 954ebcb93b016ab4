-- Executions too late for any window in 24 h
--
-- job: string
-- symbol: string
-- executions: int64 [executions]
-- volume: decimal128(38, 8) [shares or coins]
-- notional: decimal128(38, 16) [quote currency]
-- median_lateness_ms: int64 [ms]
-- max_lateness_ms: int64 [ms]
-- first_event: timestamp[us, tz=UTC] [UTC]
-- last_event: timestamp[us, tz=UTC] [UTC]

-- $as_of = datetime.datetime(2024, 8, 8, 17, 53, 4, 111000, tzinfo=datetime.timezone.utc)
-- $since = datetime.datetime(2024, 8, 7, 17, 53, 4, 111000, tzinfo=datetime.timezone.utc)
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
