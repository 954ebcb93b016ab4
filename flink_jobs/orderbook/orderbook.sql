-- Liquidity of every valid order-book snapshot, and what changed against the symbol's snapshot
-- before it, in the order they arrive. An empty side gives nulls, not zeros.

CREATE TEMPORARY VIEW books AS
SELECT
  symbol, timestamp_ms,
  bids[1].price AS best_bid, bids[1].quantity AS bid_quantity,
  asks[1].price AS best_ask, asks[1].quantity AS ask_quantity,
  depth(bids, 5) AS bid_depth_5, depth(asks, 5) AS ask_depth_5,
  depth(bids, 10) AS bid_depth_10, depth(asks, 10) AS ask_depth_10,
  depth(bids, 20) AS bid_depth_20, depth(asks, 20) AS ask_depth_20,
  source_topic, source_partition, source_offset, source_time, arrival
FROM orderbook
WHERE error_type IS NULL;

CREATE TEMPORARY VIEW books_with_last AS
SELECT
  *,
  LAG(timestamp_ms) OVER w AS last_ms,
  LAG(best_bid) OVER w AS last_bid,
  LAG(bid_quantity) OVER w AS last_bid_quantity,
  LAG(best_ask) OVER w AS last_ask,
  LAG(ask_quantity) OVER w AS last_ask_quantity
FROM books
WINDOW w AS (PARTITION BY symbol ORDER BY arrival);

CREATE TEMPORARY VIEW books_with_previous AS
SELECT
  *,
  CASE WHEN ABS(timestamp_ms - last_ms) <= $previous_book_ms THEN last_ms END AS previous_ms,
  CASE
    WHEN ABS(timestamp_ms - last_ms) <= $previous_book_ms
    THEN (best_bid + best_ask) - (last_bid + last_ask)
  END AS doubled_mid_change,
  CASE
    WHEN ABS(timestamp_ms - last_ms) <= $previous_book_ms
    THEN (CASE WHEN best_bid >= last_bid THEN bid_quantity ELSE 0 END)
      - (CASE WHEN best_bid <= last_bid THEN last_bid_quantity ELSE 0 END)
      - (CASE WHEN best_ask <= last_ask THEN ask_quantity ELSE 0 END)
      + (CASE WHEN best_ask >= last_ask THEN last_ask_quantity ELSE 0 END)
  END AS best_level_flow
FROM books_with_last;

CREATE TEMPORARY VIEW orderbook_metrics AS
SELECT
  symbol, timestamp_ms, best_bid, best_ask,
  divide_half_up(best_bid + best_ask, 2) AS mid_price,
  divide_half_up(best_ask - best_bid, 1) AS spread,
  divide_to_hundredths((best_ask - best_bid) * 20000, best_bid + best_ask) AS spread_bps,
  bid_depth_5, ask_depth_5,
  divide_half_up(bid_depth_5 - ask_depth_5, bid_depth_5 + ask_depth_5) AS imbalance_5,
  bid_depth_10, ask_depth_10,
  divide_half_up(bid_depth_10 - ask_depth_10, bid_depth_10 + ask_depth_10) AS imbalance_10,
  bid_depth_20, ask_depth_20,
  divide_half_up(bid_depth_20 - ask_depth_20, bid_depth_20 + ask_depth_20) AS imbalance_20,
  divide_half_up(doubled_mid_change, 2) AS mid_change,
  CASE WHEN doubled_mid_change IS NOT NULL THEN best_level_flow END AS order_flow_imbalance,
  previous_ms,
  source_topic, source_partition, source_offset, source_time
FROM books_with_previous;

INSERT INTO `analytics.orderbook`
SELECT
  symbol, timestamp_ms, best_bid, best_ask, mid_price, spread, spread_bps,
  bid_depth_5, ask_depth_5, imbalance_5,
  bid_depth_10, ask_depth_10, imbalance_10,
  bid_depth_20, ask_depth_20, imbalance_20,
  mid_change, order_flow_imbalance, previous_ms,
  source_partition, source_offset
FROM orderbook_metrics;

INSERT INTO `$lake`.market.orderbook_metrics
SELECT
  symbol, TO_TIMESTAMP_LTZ(timestamp_ms, 3), best_bid, best_ask, mid_price, spread, spread_bps,
  bid_depth_5, ask_depth_5, imbalance_5,
  bid_depth_10, ask_depth_10, imbalance_10,
  bid_depth_20, ask_depth_20, imbalance_20,
  mid_change, order_flow_imbalance, TO_TIMESTAMP_LTZ(previous_ms, 3),
  source_topic, source_partition, source_offset, source_time
FROM orderbook_metrics;
