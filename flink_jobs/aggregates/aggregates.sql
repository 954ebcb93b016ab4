-- Executions per symbol in tumbling event-time windows of 1, 5 and 15 minutes.
--
-- An execution whose minute is still open is aggregated by the minute; 5 and 15 minutes are merged
-- from minutes, so that an execution is touched once. One whose minute is closed, but that is no
-- more than $allowed_lateness_s s later than the watermark, becomes a partial result of its own in
-- each of its three windows: the current view merges it. Anything later is in ops.late_rows.
-- A batch run has no watermark: it sees all of its input before any window closes.
--
-- These are group windows, not table functions (FROM TABLE(TUMBLE(...))). The latter keep their
-- watermark in their state, while a job that goes on from a checkpoint has none until its source has
-- read something: what came late meanwhile would look timely here and be dropped there, unseen.
-- A group window starts without one as well, and gives one more partial result.

-- Whether its minute is closed is asked once for an execution, not by each who reads the view.
CREATE TEMPORARY VIEW executions AS
SELECT
  *,
  COALESCE(TO_TIMESTAMP_LTZ((timestamp_ms / 60000) * 60000 + 59999, 3) <= wm, FALSE) AS closed
FROM (
  SELECT
    symbol, side, quantity, price, trade_id, timestamp_ms, event_time,
    source_topic, source_partition, source_offset, source_time,
    $watermark AS wm
  FROM trades
  WHERE error_type IS NULL AND status IN ($executions)
);

CREATE TEMPORARY VIEW timely AS
SELECT symbol, side, quantity, price, timestamp_ms, $window_time AS window_time, source_offset
FROM executions
WHERE NOT closed;

CREATE TEMPORARY VIEW late AS
SELECT symbol, side, quantity, price, timestamp_ms, source_offset
FROM executions
WHERE closed AND event_time >= wm - INTERVAL '$allowed_lateness_s' SECOND;

CREATE TEMPORARY VIEW late_in_each_window AS
SELECT *, '1m' AS window_size, CAST(60000 AS BIGINT) AS window_ms FROM late
UNION ALL
SELECT *, '5m' AS window_size, CAST(300000 AS BIGINT) AS window_ms FROM late
UNION ALL
SELECT *, '15m' AS window_size, CAST(900000 AS BIGINT) AS window_ms FROM late;

CREATE TEMPORARY VIEW minutes AS
SELECT
  symbol,
  TUMBLE_ROWTIME(window_time, INTERVAL '1' MINUTE) AS minute_time,
  TUMBLE_START(window_time, INTERVAL '1' MINUTE) AS minute_start,
  SUM(quantity) AS total_volume,
  SUM(price * quantity) AS total_value,
  COUNT(*) AS trade_count,
  COUNT(*) FILTER (WHERE side = 'BUY') AS buy_count,
  MAX(price) AS high_price,
  MIN(price) AS low_price,
  open_close(price, timestamp_ms, source_offset, price, timestamp_ms, source_offset) AS oc
FROM timely
GROUP BY symbol, TUMBLE(window_time, INTERVAL '1' MINUTE);

CREATE TEMPORARY VIEW five_minutes AS
SELECT
  symbol,
  TUMBLE_START(minute_time, INTERVAL '5' MINUTE) AS minute_start,
  SUM(total_volume) AS total_volume,
  SUM(total_value) AS total_value,
  SUM(trade_count) AS trade_count,
  SUM(buy_count) AS buy_count,
  MAX(high_price) AS high_price,
  MIN(low_price) AS low_price,
  open_close(
    oc.open_price, oc.open_time, oc.open_offset, oc.close_price, oc.close_time, oc.close_offset
  ) AS oc
FROM minutes
GROUP BY symbol, TUMBLE(minute_time, INTERVAL '5' MINUTE);

CREATE TEMPORARY VIEW fifteen_minutes AS
SELECT
  symbol,
  TUMBLE_START(minute_time, INTERVAL '15' MINUTE) AS minute_start,
  SUM(total_volume) AS total_volume,
  SUM(total_value) AS total_value,
  SUM(trade_count) AS trade_count,
  SUM(buy_count) AS buy_count,
  MAX(high_price) AS high_price,
  MIN(low_price) AS low_price,
  open_close(
    oc.open_price, oc.open_time, oc.open_offset, oc.close_price, oc.close_time, oc.close_offset
  ) AS oc
FROM minutes
GROUP BY symbol, TUMBLE(minute_time, INTERVAL '15' MINUTE);

CREATE TEMPORARY VIEW windows AS
SELECT
  symbol, '1m' AS window_size, CAST(60000 AS BIGINT) AS window_ms, minute_start,
  total_volume, total_value, trade_count, buy_count, high_price, low_price, oc
FROM minutes
UNION ALL
SELECT
  symbol, '5m', CAST(300000 AS BIGINT), minute_start,
  total_volume, total_value, trade_count, buy_count, high_price, low_price, oc
FROM five_minutes
UNION ALL
SELECT
  symbol, '15m', CAST(900000 AS BIGINT), minute_start,
  total_volume, total_value, trade_count, buy_count, high_price, low_price, oc
FROM fifteen_minutes;

CREATE TEMPORARY VIEW partial_results AS
SELECT
  symbol,
  window_size,
  window_ms,
  CAST(TIMESTAMPDIFF(MINUTE, TIMESTAMP '1970-01-01 00:00:00', minute_start) AS BIGINT) * 60000
    AS window_start,
  total_volume, total_value, trade_count, buy_count, high_price, low_price,
  oc.open_price AS open_price, oc.close_price AS close_price,
  oc.open_time AS open_time, oc.open_offset AS open_offset,
  oc.close_time AS close_time, oc.close_offset AS close_offset,
  FALSE AS late
FROM windows
UNION ALL
SELECT
  symbol,
  window_size,
  window_ms,
  (timestamp_ms / window_ms) * window_ms,
  CAST(quantity AS DECIMAL(38, 8)), CAST(price * quantity AS DECIMAL(38, 16)),
  CAST(1 AS BIGINT), CASE WHEN side = 'BUY' THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END,
  price, price,
  price, price,
  timestamp_ms, source_offset,
  timestamp_ms, source_offset,
  TRUE
FROM late_in_each_window;

CREATE TEMPORARY VIEW results AS
SELECT
  symbol, window_start, window_start + window_ms AS window_end, window_size,
  total_volume, total_value,
  divide_half_up(total_value, total_volume) AS vwap,
  trade_count, buy_count, trade_count - buy_count AS sell_count,
  divide_half_up(buy_count, trade_count - buy_count) AS buy_sell_ratio,
  high_price, low_price, open_price, close_price,
  open_time, open_offset, close_time, close_offset,
  late,
  wall_clock(window_start) AS computed_at
FROM partial_results;

INSERT INTO `analytics.trade-aggregates` SELECT * FROM results;

INSERT INTO `$lake`.market.trade_aggregates
SELECT
  symbol,
  TO_TIMESTAMP_LTZ(window_start, 3), TO_TIMESTAMP_LTZ(window_end, 3), window_size,
  total_volume, total_value, vwap, trade_count, buy_count, sell_count, buy_sell_ratio,
  high_price, low_price, open_price, close_price,
  TO_TIMESTAMP_LTZ(open_time, 3), open_offset, TO_TIMESTAMP_LTZ(close_time, 3), close_offset,
  late,
  TO_TIMESTAMP_LTZ(computed_at, 3)
FROM results;

INSERT INTO `$lake`.ops.late_rows
SELECT
  'aggregates', symbol, event_time, wm,
  CAST(EXTRACT(EPOCH FROM wm) AS BIGINT) * 1000 + EXTRACT(MILLISECOND FROM wm) - timestamp_ms,
  trade_id, side, quantity, price,
  source_topic, source_partition, source_offset, source_time
FROM executions
WHERE closed AND event_time < wm - INTERVAL '$allowed_lateness_s' SECOND;
