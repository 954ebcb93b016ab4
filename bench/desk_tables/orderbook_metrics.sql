-- A book for eleven events, around the price of the event, with five levels that count.
WITH books AS (
    SELECT
        *,
        CAST(1 + source_offset % 4 AS INTEGER) AS ticks,
        CAST(500 + source_offset % 89 AS DECIMAL(38, 8)) AS bids,
        CAST(500 + source_offset % 83 AS DECIMAL(38, 8)) AS asks
    FROM trades
    WHERE source_offset % 11 = 0
)
SELECT
    symbol,
    event_time,
    CAST(price - 0.01 * ticks AS DECIMAL(18, 8)) AS best_bid,
    CAST(price + 0.01 * ticks AS DECIMAL(18, 8)) AS best_ask,
    CAST(price AS DECIMAL(18, 4)) AS mid_price,
    CAST(0.02 * ticks AS DECIMAL(18, 4)) AS spread,
    CAST(round(200.0 * ticks / CAST(price AS DOUBLE), 2) AS DECIMAL(18, 2)) AS spread_bps,
    bids AS bid_depth_5,
    asks AS ask_depth_5,
    CAST(round(CAST(bids - asks AS DOUBLE) / CAST(bids + asks AS DOUBLE), 4) AS DECIMAL(18, 4))
        AS imbalance_5,
    CAST(source_offset % 13 - 6 AS DECIMAL(38, 8)) AS order_flow_imbalance,
    source_topic,
    source_partition,
    source_offset,
    source_time
FROM books
