-- Order book of AAPL by 5 min
--
-- symbol: string
-- bucket_start: timestamp[us, tz=UTC] [UTC]
-- bucket_end: timestamp[us, tz=UTC] [UTC]
-- snapshots: int64 [order books]
-- covered_s: decimal128(38, 6) [s]
-- mid_price: decimal128(18, 4) [quote currency]
-- spread: decimal128(38, 4) [quote currency]
-- spread_bps: decimal128(38, 4) [basis points]
-- median_spread_bps: decimal128(18, 2) [basis points]
-- bid_depth_5: decimal128(38, 8) [shares or coins]
-- ask_depth_5: decimal128(38, 8) [shares or coins]
-- imbalance_5: decimal128(38, 4) [ratio from -1 to 1]
-- order_flow_imbalance: decimal128(38, 8) [shares or coins]

-- $symbol = 'AAPL'
-- Whether $symbol has ever had an order book; no row when nobody has.
SELECT EXISTS (FROM market.orderbook_metrics WHERE symbol = $symbol) AS known
WHERE EXISTS (FROM market.orderbook_metrics)

-- $as_of = datetime.datetime(2024, 8, 8, 16, 12, 4, 750000, tzinfo=datetime.timezone.utc)
-- $bucket_us = 300000000
-- $longest_us = 300000000
-- $midnight = datetime.datetime(2024, 8, 8, 0, 0, tzinfo=datetime.timezone.utc)
-- $symbol = 'AAPL'
-- Order-book snapshots of $symbol from $midnight to $as_of, by buckets of $bucket_us.
--
-- A snapshot holds from its time to the symbol's next one, for at most $longest_us, and not beyond
-- $as_of. Means weigh every value with the microseconds that it held in the bucket.
WITH books AS (
    SELECT
        *,
        epoch_us(event_time) - epoch_us($midnight) AS starts,
        least(
            lead(epoch_us(event_time), 1, epoch_us($as_of)) OVER by_time - epoch_us($midnight),
            epoch_us(event_time) - epoch_us($midnight) + $longest_us
        ) AS ends,
        row_number() OVER by_time AS position
    FROM market.orderbook_metrics
    WHERE symbol = $symbol AND event_time >= $midnight AND event_time <= $as_of
    WINDOW by_time AS (
        ORDER BY event_time, source_offset, source_partition, source_topic
    )
),
buckets AS (
    SELECT
        *,
        unnest(range(starts // $bucket_us, greatest(ends - 1, starts) // $bucket_us + 1)) AS bucket
    FROM books
),
held AS (
    SELECT
        *,
        starts // $bucket_us = bucket AS here,
        CAST(
            least(ends, (bucket + 1) * $bucket_us) - greatest(starts, bucket * $bucket_us)
            AS HUGEINT
        ) AS us,
        CASE WHEN spread IS NOT NULL THEN us END AS two_sided_us
    FROM buckets
)
SELECT
    CAST($symbol AS VARCHAR) AS symbol,
    $midnight + to_microseconds(bucket * $bucket_us) AS bucket_start,
    $midnight + to_microseconds((bucket + 1) * $bucket_us) AS bucket_end,
    count(*) FILTER (here) AS snapshots,
    CAST(sum(us) AS DECIMAL(38, 0)) * CAST(0.000001 AS DECIMAL(6, 6)) AS covered_s,
    arg_max(mid_price, position) AS mid_price,
    of_units4_wide(half_up(sum(units8(spread) * us), sum(two_sided_us) * 10000)) AS spread,
    of_units4_wide(half_up(sum(units8(spread_bps) * us), sum(two_sided_us) * 10000))
        AS spread_bps,
    quantile_disc(spread_bps, 0.5) FILTER (here) AS median_spread_bps,
    of_units8(half_up(
        sum(units8(bid_depth_5) * us), sum(us) FILTER (bid_depth_5 IS NOT NULL)
    )) AS bid_depth_5,
    of_units8(half_up(
        sum(units8(ask_depth_5) * us), sum(us) FILTER (ask_depth_5 IS NOT NULL)
    )) AS ask_depth_5,
    of_units4_wide(half_up(
        sum(units8(imbalance_5) * us), (sum(us) FILTER (imbalance_5 IS NOT NULL)) * 10000
    )) AS imbalance_5,
    CAST(sum(order_flow_imbalance) FILTER (here) AS DECIMAL(38, 8)) AS order_flow_imbalance
FROM held
GROUP BY bucket
ORDER BY bucket
