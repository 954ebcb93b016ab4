-- in = good + late + dead, for every job that reads a stream.
--
-- What went in is $raw_count where somebody counted it; else what the offsets say: every
-- partition from its first to its last, so that a record that vanished in between is missed.
WITH landed AS (
    SELECT source_topic, source_partition, source_offset
    FROM market.trades
    WHERE list_contains($raw_topics, source_topic)
), refused AS (
    SELECT source_topic, source_partition, source_offset
    FROM ops.dead_letters
    WHERE list_contains($raw_topics, source_topic) AND list_contains($raw_jobs, job)
), spans AS (
    SELECT max(source_offset) - min(source_offset) + 1 AS records
    FROM (FROM landed UNION ALL FROM refused)
    GROUP BY source_topic, source_partition
), executions AS (
    SELECT count(*) AS records FROM market.executions
), rows AS (
    SELECT
        1 AS position,
        'landing' AS job,
        'raw.trades' AS source,
        coalesce($raw_count, (SELECT sum(records) FROM spans), 0)::BIGINT AS records,
        (SELECT count(*) FROM landed) AS good,
        0 AS late,
        (SELECT count(*) FROM refused) AS dead
    UNION ALL
    SELECT
        2,
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
        3,
        'enrichment',
        'executions',
        (SELECT records FROM executions),
        (SELECT count(*) FROM market.enriched_trades),
        0,
        (SELECT count(*) FROM ops.dead_letters WHERE job = 'enrichment')
)
SELECT job, source, records, good, late, dead, records - good - late - dead AS difference
FROM rows
ORDER BY position
