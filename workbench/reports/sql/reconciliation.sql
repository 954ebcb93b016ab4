-- in = good + late + dead, for every job that reads a stream.
--
-- What went in is $raw_count where somebody counted it; else what the offsets say: every
-- partition from its first to its last, so that a record that vanished in between is missed.
-- A batch run has its file for a topic, and its lines for offsets.
WITH landed AS (
    SELECT source_topic, source_partition, source_offset, source_topic LIKE 'file:%' AS in_file
    FROM market.trades
    WHERE list_contains($raw_topics, source_topic) OR source_topic LIKE 'file:%'
), refused AS (
    SELECT source_topic, source_partition, source_offset, source_topic LIKE 'file:%' AS in_file
    FROM ops.dead_letters
    WHERE (list_contains($raw_topics, source_topic) OR source_topic LIKE 'file:%')
        AND list_contains($raw_jobs, job)
), spans AS (
    SELECT max(source_offset) - min(source_offset) + 1 AS records, in_file
    FROM (FROM landed UNION ALL FROM refused)
    GROUP BY source_topic, source_partition, in_file
), executions AS (
    SELECT count(*) AS records FROM market.executions
), rows AS (
    SELECT
        1 AS position,
        'landing' AS job,
        'raw.trades' AS source,
        coalesce(
            $raw_count, (SELECT sum(records) FROM spans WHERE NOT in_file), 0
        )::BIGINT AS records,
        (SELECT count(*) FROM landed WHERE NOT in_file) AS good,
        0 AS late,
        (SELECT count(*) FROM refused WHERE NOT in_file) AS dead
    UNION ALL
    SELECT
        2,
        'landing',
        'files',
        sum(records)::BIGINT,
        (SELECT count(*) FROM landed WHERE in_file),
        0,
        (SELECT count(*) FROM refused WHERE in_file)
    FROM spans
    WHERE in_file
    HAVING count(*) > 0
    UNION ALL
    SELECT
        3,
        'aggregates',
        'executions',
        (SELECT records FROM executions),
        coalesce((
            SELECT sum(trade_count) FROM market.trade_aggregates WHERE window_size = '1m'
        ), 0)::BIGINT,
        (SELECT count(*) FROM ops.late_rows WHERE job = 'aggregates'),
        0
    UNION ALL
    SELECT
        4,
        'enrichment',
        'executions',
        (SELECT records FROM executions),
        (SELECT count(*) FROM market.enriched_trades),
        0,
        -- In batch it reads the same files as landing: what it refuses there is no execution.
        (
            SELECT count(*) FROM ops.dead_letters
            WHERE job = 'enrichment' AND source_topic NOT LIKE 'file:%'
        )
)
SELECT job, source, records, good, late, dead, records - good - late - dead AS difference
FROM rows
ORDER BY position
