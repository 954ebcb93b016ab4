-- in = good + late + dead + filtered + open, for every job whose outputs are in the lake.
--
-- What went into a topic is counted in Kafka, where somebody did ($raw_count, $book_count); else
-- the offsets say it: every partition from its first to its last, so that a record that vanished
-- in between is missed. A replay of dead letters is one transaction, whose end takes an offset of
-- each partition that it wrote to, behind what it sent: that is no record. A batch run has its file
-- for a topic, and its lines for offsets: other lines may be records of other topics, and so only
-- those that left a trace are counted.
--
-- Jobs commit one after the other: what lies behind the settled moment of two of them ($windows,
-- $enriched), or behind the last record that landing has read, is open.
WITH landed AS (
    SELECT source_topic, source_partition, source_offset, source_topic LIKE 'file:%' AS in_file
    FROM market.trades
    WHERE list_contains($raw_topics, source_topic) OR source_topic LIKE 'file:%'
),
refused AS (
    SELECT
        source_topic, source_partition, source_offset, source_topic LIKE 'file:%' AS in_file, job
    FROM ops.dead_letters
    WHERE (list_contains($raw_topics, source_topic) OR source_topic LIKE 'file:%')
      AND list_contains($raw_jobs, job)
),
spans AS (
    SELECT
        source_topic, source_partition, in_file,
        count(DISTINCT source_offset) AS lines,
        min(source_offset) AS first,
        max(source_offset) AS last,
        -- The router reads the same records, and may be ahead.
        coalesce(max(source_offset) FILTER (by_landing), min(source_offset) - 1) AS reached
    FROM (
        SELECT source_topic, source_partition, source_offset, in_file, true AS by_landing
        FROM landed
        UNION ALL
        SELECT source_topic, source_partition, source_offset, in_file, job = 'landing'
        FROM refused
    )
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
        source_topic, source_partition, source_topic LIKE 'file:%' AS in_file,
        count(DISTINCT source_offset) AS lines,
        min(source_offset) AS first,
        max(source_offset) AS last
    FROM books
    GROUP BY source_topic, source_partition
),
replays AS (
    SELECT to_topic AS topic, to_partition AS source_partition, max(to_offset) AS last_sent
    FROM ops.dead_letter_replays
    WHERE state = 'sent'
    GROUP BY run_id, to_topic, to_partition
),
-- The ends of transactions that lie within what was read, and those ahead of landing.
ended AS (
    SELECT count(*) AS records, count(*) FILTER (last_sent >= reached) AS ahead
    FROM replays
    JOIN spans USING (source_partition)
    WHERE list_contains($raw_topics, topic) AND NOT in_file
      AND last_sent >= first AND last_sent < last
),
books_ended AS (
    SELECT count(*) AS records
    FROM replays
    JOIN book_spans USING (source_partition)
    WHERE list_contains($book_topics, topic) AND NOT in_file
      AND last_sent >= first AND last_sent < last
),
refused_ahead AS (
    SELECT count(*) AS records
    FROM refused
    JOIN spans USING (source_topic, source_partition, in_file)
    WHERE NOT in_file AND source_offset > reached
),
events AS (
    SELECT
        count(*) AS records,
        count(*) FILTER (NOT list_contains($executions, status)) AS filtered,
        count(*) FILTER (
            list_contains($executions, status) AND (event_time < $windows) IS NOT TRUE
        ) AS not_in_windows,
        count(*) FILTER (
            list_contains($executions, status) AND (event_time < $enriched) IS NOT TRUE
        ) AS not_enriched
    FROM market.trades
),
jobs AS (
    SELECT
        1 AS position,
        'landing' AS job,
        'raw.trades' AS source,
        coalesce(
            $raw_count,
            (SELECT sum(last - first + 1) FROM spans WHERE NOT in_file) - ended.records,
            0
        ) AS records,
        (SELECT count(*) FROM landed WHERE NOT in_file) AS good,
        0 AS late,
        -- Its own, and the router's: a valid event without a known status.
        (SELECT count(*) FROM refused WHERE NOT in_file) AS dead,
        0 AS filtered,
        coalesce((SELECT sum(last - reached) FROM spans WHERE NOT in_file), 0)
            - refused_ahead.records - ended.ahead AS open,
        CAST(NULL AS TIMESTAMPTZ) AS settled_until
    FROM ended, refused_ahead
    UNION ALL
    SELECT
        2,
        'landing',
        'files',
        sum(lines),
        (SELECT count(*) FROM landed WHERE in_file),
        0,
        (SELECT count(*) FROM refused WHERE in_file),
        0,
        0,
        NULL
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
            SELECT sum(trade_count) FROM market.trade_aggregates
            WHERE window_size = '1m' AND window_start < $windows
        ), 0),
        (
            SELECT count(*) FROM ops.late_rows
            WHERE job = 'aggregates' AND event_time < $windows
        ),
        0,
        filtered,
        not_in_windows,
        $windows
    FROM events
    UNION ALL
    SELECT
        4,
        'enrichment',
        'market.trades',
        records,
        (SELECT count(*) FROM market.enriched_trades WHERE event_time < $enriched),
        0,
        -- In batch it reads the same files as landing: what it refuses there is no execution.
        (
            SELECT count(*) FROM ops.dead_letters
            WHERE job = 'enrichment' AND source_topic NOT LIKE 'file:%'
        ),
        filtered,
        not_enriched,
        $enriched
    FROM events
    UNION ALL
    SELECT
        5,
        'orderbook',
        'raw.orderbook',
        coalesce(
            $book_count,
            (SELECT sum(CASE WHEN in_file THEN lines ELSE last - first + 1 END) FROM book_spans)
                - books_ended.records,
            0
        ),
        (SELECT count(*) FROM books WHERE good),
        0,
        (SELECT count(*) FROM books WHERE NOT good),
        0,
        0,
        NULL
    FROM books_ended
)
SELECT
    job,
    source,
    CAST(records AS BIGINT) AS records,
    CAST(good AS BIGINT) AS good,
    CAST(late AS BIGINT) AS late,
    CAST(dead AS BIGINT) AS dead,
    CAST(filtered AS BIGINT) AS filtered,
    CAST(open AS BIGINT) AS open,
    CAST(records - good - late - dead - filtered - open AS BIGINT) AS missing,
    CAST(settled_until AS TIMESTAMPTZ) AS settled_until
FROM jobs
ORDER BY position
