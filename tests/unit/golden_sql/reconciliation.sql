-- What came in and where it is
--
-- job: string
-- source: string
-- records: int64 [records]
-- good: int64 [records]
-- late: int64 [records]
-- dead: int64 [records]
-- filtered: int64 [records]
-- missing: int64 [records]

-- $book_count = None
-- $executions = ['FILLED', 'PARTIALLY_FILLED']
-- $raw_count = None
-- $raw_jobs = ['landing', 'router']
-- $raw_topics = ['raw.trades']
-- in = good + late + dead + filtered, for every job whose outputs are in the lake.
--
-- What went into a topic is counted in Kafka, where somebody did ($raw_count, $book_count); else
-- the offsets say it: every partition from its first to its last, so that a record that vanished
-- in between is missed. A batch run has its file for a topic, and its lines for offsets: other
-- lines may be records of other topics, and so only those that left a trace are counted.
WITH landed AS (
    SELECT source_topic, source_partition, source_offset, source_topic LIKE 'file:%' AS in_file
    FROM market.trades
    WHERE list_contains($raw_topics, source_topic) OR source_topic LIKE 'file:%'
),
refused AS (
    SELECT source_topic, source_partition, source_offset, source_topic LIKE 'file:%' AS in_file
    FROM ops.dead_letters
    WHERE (list_contains($raw_topics, source_topic) OR source_topic LIKE 'file:%')
      AND list_contains($raw_jobs, job)
),
spans AS (
    SELECT
        CASE
            WHEN in_file THEN count(DISTINCT source_offset)
            ELSE max(source_offset) - min(source_offset) + 1
        END AS records,
        in_file
    FROM (FROM landed UNION ALL FROM refused)
    GROUP BY source_topic, source_partition, in_file
),
books AS (
    SELECT source_topic, source_partition, source_offset, true AS good
    FROM market.orderbook_metrics
    UNION ALL
    SELECT source_topic, source_partition, source_offset, false AS good
    FROM ops.dead_letters
    WHERE job = 'orderbook'
),
book_spans AS (
    SELECT
        CASE
            WHEN source_topic LIKE 'file:%' THEN count(DISTINCT source_offset)
            ELSE max(source_offset) - min(source_offset) + 1
        END AS records
    FROM books
    GROUP BY source_topic, source_partition
),
events AS (
    SELECT
        count(*) AS records,
        count(*) FILTER (NOT list_contains($executions, status)) AS filtered
    FROM market.trades
),
jobs AS (
    SELECT
        1 AS position,
        'landing' AS job,
        'raw.trades' AS source,
        coalesce($raw_count, (SELECT sum(records) FROM spans WHERE NOT in_file), 0) AS records,
        (SELECT count(*) FROM landed WHERE NOT in_file) AS good,
        0 AS late,
        -- Its own, and the router's: a valid event without a known status.
        (SELECT count(*) FROM refused WHERE NOT in_file) AS dead,
        0 AS filtered
    UNION ALL
    SELECT
        2,
        'landing',
        'files',
        sum(records),
        (SELECT count(*) FROM landed WHERE in_file),
        0,
        (SELECT count(*) FROM refused WHERE in_file),
        0
    FROM spans
    WHERE in_file
    HAVING count(*) > 0
    UNION ALL
    SELECT
        3,
        'aggregates',
        'market.trades',
        records,
        coalesce((
            SELECT sum(trade_count) FROM market.trade_aggregates WHERE window_size = '1m'
        ), 0),
        (SELECT count(*) FROM ops.late_rows WHERE job = 'aggregates'),
        0,
        filtered
    FROM events
    UNION ALL
    SELECT
        4,
        'enrichment',
        'market.trades',
        records,
        (SELECT count(*) FROM market.enriched_trades),
        0,
        -- In batch it reads the same files as landing: what it refuses there is no execution.
        (
            SELECT count(*) FROM ops.dead_letters
            WHERE job = 'enrichment' AND source_topic NOT LIKE 'file:%'
        ),
        filtered
    FROM events
    UNION ALL
    SELECT
        5,
        'orderbook',
        'raw.orderbook',
        coalesce($book_count, (SELECT sum(records) FROM book_spans), 0),
        (SELECT count(*) FROM books WHERE good),
        0,
        (SELECT count(*) FROM books WHERE NOT good),
        0
)
SELECT
    job,
    source,
    CAST(records AS BIGINT) AS records,
    CAST(good AS BIGINT) AS good,
    CAST(late AS BIGINT) AS late,
    CAST(dead AS BIGINT) AS dead,
    CAST(filtered AS BIGINT) AS filtered,
    CAST(records - good - late - dead - filtered AS BIGINT) AS missing
FROM jobs
ORDER BY position
