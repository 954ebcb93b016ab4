-- market.orderbook_metrics: liquidity of every valid order-book snapshot, in units of 0.00000001,
-- and what changed against the symbol's snapshot before. See contracts/records.py for each column.
WITH books AS (
    SELECT
        *,
        units8(bids[1].price) AS bid,
        units8(bids[1].quantity) AS bid_size,
        units8(asks[1].price) AS ask,
        units8(asks[1].quantity) AS ask_size,
        list_sum([units8(level.quantity) FOR level IN bids[1:5]]) AS bids_5,
        list_sum([units8(level.quantity) FOR level IN asks[1:5]]) AS asks_5,
        list_sum([units8(level.quantity) FOR level IN bids[1:10]]) AS bids_10,
        list_sum([units8(level.quantity) FOR level IN asks[1:10]]) AS asks_10,
        list_sum([units8(level.quantity) FOR level IN bids[1:20]]) AS bids_20,
        list_sum([units8(level.quantity) FOR level IN asks[1:20]]) AS asks_20
    FROM read_books
    WHERE error_topic IS NULL
),
before AS (
    SELECT
        *,
        lag(timestamp_ms) OVER by_symbol AS last_ms,
        lag(bid) OVER by_symbol AS last_bid,
        lag(bid_size) OVER by_symbol AS last_bid_size,
        lag(ask) OVER by_symbol AS last_ask,
        lag(ask_size) OVER by_symbol AS last_ask_size
    FROM books
    WINDOW by_symbol AS (PARTITION BY symbol ORDER BY arrival)
),
compared AS (
    SELECT
        *,
        coalesce(abs(timestamp_ms - last_ms) <= $previous_ms, false) AS has_previous,
        has_previous AND bid + ask + last_bid + last_ask IS NOT NULL AS is_comparable
    FROM before
)
SELECT
    symbol,
    event_time,
    of_units8(bid) AS best_bid,
    of_units8(ask) AS best_ask,
    of_units4(half_up(bid + ask, 20000)) AS mid_price,
    of_units4(half_up(ask - bid, 10000)) AS spread,
    of_units2(half_up((ask - bid) * 2000000, bid + ask)) AS spread_bps,
    of_units8(bids_5) AS bid_depth_5,
    of_units8(asks_5) AS ask_depth_5,
    of_units4(half_up((bids_5 - asks_5) * 10000, bids_5 + asks_5)) AS imbalance_5,
    of_units8(bids_10) AS bid_depth_10,
    of_units8(asks_10) AS ask_depth_10,
    of_units4(half_up((bids_10 - asks_10) * 10000, bids_10 + asks_10)) AS imbalance_10,
    of_units8(bids_20) AS bid_depth_20,
    of_units8(asks_20) AS ask_depth_20,
    of_units4(half_up((bids_20 - asks_20) * 10000, bids_20 + asks_20)) AS imbalance_20,
    CASE
        WHEN is_comparable THEN of_units4(half_up(bid + ask - last_bid - last_ask, 20000))
    END AS mid_change,
    CASE WHEN is_comparable THEN of_units8(
        CASE WHEN bid >= last_bid THEN bid_size ELSE 0 END
        - CASE WHEN bid <= last_bid THEN last_bid_size ELSE 0 END
        - CASE WHEN ask <= last_ask THEN ask_size ELSE 0 END
        + CASE WHEN ask >= last_ask THEN last_ask_size ELSE 0 END
    ) END AS order_flow_imbalance,
    CASE WHEN has_previous THEN make_timestamptz(last_ms * 1000) END AS previous_time,
    source_topic,
    source_partition,
    source_offset,
    source_time
FROM compared
