-- Which execution is the first that enrichment has not come to, and what lies behind $moment.
--
-- The router sends the executions of each partition of raw.trades to the partitions of
-- processed.trades.filled, a lane each, and no lane changes their order. So what has been landed of
-- a raw partition is enriched up to a place that every one of its lanes has passed: what lacks
-- before it is lost, and what lacks behind it is on its way.
WITH homes AS (
    SELECT
        symbol,
        arg_max(source_topic, source_time) AS source_topic,
        arg_max(source_partition, source_time) AS source_partition
    FROM market.trades
    WHERE list_contains($raw_topics, source_topic)
    GROUP BY symbol
),
lanes AS (
    SELECT
        homes.source_topic,
        homes.source_partition,
        enriched.source_partition AS lane,
        arg_max(trade_id, (enriched.source_time, enriched.source_offset)) AS trade_id
    FROM market.enriched_trades AS enriched
    JOIN homes USING (symbol)
    WHERE list_contains($filled_topics, enriched.source_topic)
    GROUP BY ALL
),
-- Also those that nothing has come through yet: enrichment may read all of one before another.
all_lanes AS (
    SELECT source_topic, source_partition, lane
    FROM (SELECT DISTINCT source_topic, source_partition FROM lanes)
    CROSS JOIN (SELECT lane FROM lanes UNION SELECT unnest(range($lanes)))
),
passed AS (
    -- No place where nothing has come through a lane; any place where its newest is not landed.
    SELECT source_topic, source_partition, min(place) AS place
    FROM all_lanes
    LEFT JOIN lanes USING (source_topic, source_partition, lane)
    LEFT JOIN (
        SELECT source_topic, source_partition, trade_id, min((source_time, source_offset)) AS place
        FROM market.executions
        WHERE trade_id IN (SELECT trade_id FROM lanes)
        GROUP BY ALL
    ) USING (source_topic, source_partition, trade_id)
    GROUP BY source_topic, source_partition
    HAVING bool_and(trade_id IS NOT NULL)
    UNION ALL
    -- A batch run and a backfill read what landing reads.
    SELECT source_topic, source_partition, max((source_time, source_offset))
    FROM market.enriched_trades
    WHERE NOT list_contains($filled_topics, source_topic)
    GROUP BY source_topic, source_partition
),
behind AS (
    SELECT event_time, trade_id
    FROM market.executions
    LEFT JOIN (
        SELECT source_topic, source_partition, true AS known, max(place) AS place
        FROM passed
        GROUP BY source_topic, source_partition
    ) USING (source_topic, source_partition)
    WHERE known IS NULL OR (source_time, source_offset) > place
),
-- An event may have been sent twice.
copies AS (
    SELECT trade_id, sum(landed) AS landed, sum(enriched) AS enriched
    FROM (
        SELECT trade_id, 1 AS landed, 0 AS enriched FROM market.executions
        WHERE trade_id IN (SELECT trade_id FROM behind)
        UNION ALL
        SELECT trade_id, 0, 1 FROM market.enriched_trades
        WHERE trade_id IN (SELECT trade_id FROM behind)
    )
    GROUP BY trade_id
),
on_its_way AS (
    SELECT min(event_time) AS event_time
    FROM behind
    JOIN copies USING (trade_id)
    WHERE enriched < landed
),
landed AS (
    SELECT symbol, max(event_time) AS newest
    FROM market.executions
    WHERE event_time >= $moment
    GROUP BY symbol
),
enriched AS (
    SELECT symbol, max(event_time) AS newest
    FROM market.enriched_trades
    WHERE event_time >= $moment
    GROUP BY symbol
)
SELECT
    on_its_way.event_time IS NULL AND (
        SELECT coalesce(bool_and(landed.newest IS NOT DISTINCT FROM enriched.newest), true)
        FROM landed FULL JOIN enriched USING (symbol)
    ) AS all_closed,
    (SELECT max(event_time) FROM market.executions WHERE event_time >= $moment) AS newest,
    on_its_way.event_time AS late
FROM on_its_way
