-- Quality of the data
--
-- measure: string
-- found: int64
-- of_all: int64
-- unit: string
-- share_pct: decimal128(38, 4) [%]

-- $as_of = datetime.datetime(2024, 8, 8, 17, 53, 4, 111000, tzinfo=datetime.timezone.utc)
-- $executions = ['FILLED', 'PARTIALLY_FILLED']
-- One row per thing that can be wrong with what was landed up to $as_of.
WITH events AS (
    SELECT
        count(*) AS events,
        count(*) - count(DISTINCT trade_id) AS duplicates,
        count(*) FILTER (list_contains($executions, status)) AS executions
    FROM market.trades
    WHERE event_time <= $as_of
),
traded AS (
    SELECT DISTINCT symbol, epoch_us(event_time) // 60000000 AS minute
    FROM market.executions
    WHERE event_time <= $as_of
),
minutes AS (
    -- Of every symbol and day, between its first and its last execution.
    SELECT sum(spanned) AS spanned, sum(traded) AS traded
    FROM (
        SELECT max(minute) - min(minute) + 1 AS spanned, count(*) AS traded
        FROM traded
        GROUP BY symbol, minute // 1440
    )
),
enriched AS (
    SELECT count(*) AS executions, count(*) FILTER (company_name = 'UNKNOWN') AS unknown
    FROM market.enriched_trades
    WHERE event_time <= $as_of
),
late AS (
    SELECT count(*) AS executions FROM ops.late_rows WHERE event_time <= $as_of
),
dead AS (
    -- By when it was read: a record that nobody could read has no event time.
    SELECT count(*) AS records FROM ops.dead_letters
),
measures AS (
    SELECT 1 AS position, 'duplicate events' AS measure, duplicates AS found, events AS of_all,
        'events' AS unit
    FROM events
    UNION ALL
    SELECT 2, 'late executions', late.executions, events.executions, 'executions'
    FROM late, events
    UNION ALL
    SELECT 3, 'dead letters', records, records + events, 'records'
    FROM dead, events
    UNION ALL
    SELECT 4, 'minutes without trades', spanned - traded, spanned, 'minutes'
    FROM minutes
    UNION ALL
    SELECT 5, 'executions without reference data', unknown, executions, 'executions'
    FROM enriched
)
SELECT
    measure,
    CAST(coalesce(found, 0) AS BIGINT) AS found,
    CAST(coalesce(of_all, 0) AS BIGINT) AS of_all,
    unit,
    percent_of(coalesce(found, 0), coalesce(of_all, 0)) AS share_pct
FROM measures
ORDER BY position
