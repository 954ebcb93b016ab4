-- How far the trades landed have come, the windows, and the enriched trades.
--
-- That of the trades landed is their watermark: of each partition the newest event (or its arrival,
-- where its clock was ahead), less what may come out of order; of all partitions the lowest, those
-- left out that were idle when the last record arrived.
WITH partitions AS (
    SELECT
        max(least(event_time, source_time)) AS newest,
        max(source_time) AS arrived
    FROM market.trades
    WHERE list_contains($raw_topics, source_topic)
    GROUP BY source_topic, source_partition
)
SELECT
    (
        SELECT min(newest) - to_seconds($out_of_order_s)
        FROM partitions
        WHERE arrived >= (SELECT max(arrived) FROM partitions) - to_milliseconds($idle_ms)
    ) AS trades,
    -- A window is written when the watermark has passed its end.
    (
        SELECT max(window_end) FROM market.trade_aggregates
        WHERE window_size = '1m' AND NOT late
    ) AS windows,
    (SELECT max(event_time) FROM market.enriched_trades) AS enriched
