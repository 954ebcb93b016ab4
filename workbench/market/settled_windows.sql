-- What lies behind $moment in the trades landed and in the windows, and what came late before it.
WITH landed AS (
    SELECT symbol, max((event_time, source_offset)) AS newest
    FROM market.executions
    WHERE event_time >= $moment
    GROUP BY symbol
),
closed AS (
    SELECT symbol, max(newest) AS newest
    FROM (
        SELECT symbol, (close_time, close_offset) AS newest
        FROM market.trade_aggregates
        WHERE window_size = '1m' AND window_start >= $moment
        UNION ALL
        SELECT symbol, (event_time, source_offset)
        FROM ops.late_rows
        WHERE job = 'aggregates' AND event_time >= $moment
    )
    GROUP BY symbol
),
-- The first record of each partition by which its clock has passed the moment.
passed AS (
    SELECT source_topic, source_partition, min((source_time, source_offset)) AS place
    FROM market.trades
    WHERE least(event_time, source_time) >= $moment + to_seconds($out_of_order_s)
      AND event_time >= $moment
      AND list_contains($raw_topics, source_topic)
    GROUP BY source_topic, source_partition
),
not_read AS (
    SELECT min(event_time) AS event_time
    FROM market.executions
    JOIN passed USING (source_topic, source_partition)
    WHERE event_time < $moment AND (source_time, source_offset) > place
),
-- The other way round: the job has read what is not landed yet.
not_landed AS (
    SELECT min(event_time) AS event_time
    FROM (
        SELECT open_time AS event_time
        FROM market.trade_aggregates
        JOIN (
            SELECT symbol, max(source_offset) AS newest
            FROM market.trades
            WHERE list_contains($raw_topics, source_topic)
            GROUP BY symbol
        ) USING (symbol)
        WHERE window_size = '1m' AND late AND open_offset > newest
        UNION ALL
        SELECT event_time
        FROM ops.late_rows
        JOIN (
            SELECT source_topic, source_partition, max(source_offset) AS newest
            FROM market.trades
            WHERE list_contains($raw_topics, source_topic)
            GROUP BY source_topic, source_partition
        ) USING (source_topic, source_partition)
        WHERE job = 'aggregates' AND source_offset > newest
    )
)
SELECT
    not_landed.event_time IS NULL AND (
        SELECT coalesce(bool_and(landed.newest IS NOT DISTINCT FROM closed.newest), true)
        FROM landed FULL JOIN closed USING (symbol)
    ) AS all_closed,
    (SELECT max(event_time) FROM market.executions WHERE event_time >= $moment) AS newest,
    least(not_read.event_time, not_landed.event_time) AS late
FROM not_read, not_landed
