-- At least 5 min without executions of a symbol
--
-- symbol: string
-- gap_start: timestamp[us, tz=UTC] [UTC]
-- gap_end: timestamp[us, tz=UTC] [UTC]
-- minutes: int64 [minutes without executions]

-- $as_of = datetime.datetime(2024, 8, 8, 17, 53, 4, 111000, tzinfo=datetime.timezone.utc)
-- $midnight = datetime.datetime(2024, 8, 8, 0, 0, tzinfo=datetime.timezone.utc)
-- $minutes = 5
-- $symbol = None
-- Minutes from $midnight to $as_of in which a symbol did not trade, though it traded before and
-- after: at least $minutes in a row.
WITH traded AS (
    SELECT DISTINCT symbol, date_trunc('minute', event_time) AS minute
    FROM market.executions
    WHERE event_time >= $midnight AND event_time <= $as_of
      AND (CAST($symbol AS VARCHAR) IS NULL OR symbol = $symbol)
),
gaps AS (
    SELECT
        symbol,
        minute + INTERVAL 1 MINUTE AS gap_start,
        lead(minute) OVER (PARTITION BY symbol ORDER BY minute) AS gap_end
    FROM traded
)
SELECT symbol, gap_start, gap_end, date_diff('minute', gap_start, gap_end) AS minutes
FROM gaps
WHERE date_diff('minute', gap_start, gap_end) >= $minutes
ORDER BY minutes DESC, symbol, gap_start
