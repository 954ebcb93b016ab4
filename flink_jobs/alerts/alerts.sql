-- Alerts on prices that moved away from a baseline, per symbol, in the order they arrive.
--
-- A price is that of an execution or of a quote: what an order asks for is no price anybody paid.

CREATE TEMPORARY VIEW prices AS
SELECT
  symbol, price, timestamp_ms,
  source_topic, source_partition, source_offset, source_time, arrival
FROM trades
WHERE error_type IS NULL AND status IN ($executions)
UNION ALL
SELECT
  symbol, price, timestamp_ms,
  source_topic, source_partition, source_offset, source_time, arrival
FROM marketdata
WHERE error_type IS NULL;

CREATE TEMPORARY VIEW moves AS
SELECT
  symbol, price, timestamp_ms,
  source_topic, source_partition, source_offset, source_time,
  price_move(symbol, price, timestamp_ms, $alert_rules) OVER (
    PARTITION BY symbol ORDER BY arrival ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
  ) AS move
FROM prices;

CREATE TEMPORARY VIEW price_alerts AS
SELECT
  SUBSTRING(SHA256(CONCAT_WS(
    '|', symbol, CAST(move.baseline_price AS STRING), CAST(price AS STRING),
    CAST(move.baseline_time AS STRING), CAST(timestamp_ms AS STRING)
  )) FROM 1 FOR 32) AS alert_id,
  'PRICE_MOVEMENT' AS alert_type,
  symbol,
  CASE WHEN price > move.baseline_price THEN 'UP' ELSE 'DOWN' END AS direction,
  move.baseline_price AS baseline_price,
  price AS current_price,
  move.pct_change AS pct_change,
  move.baseline_time AS window_start_ms,
  timestamp_ms AS detected_at_ms,
  move.severity AS severity,
  source_topic, source_partition, source_offset, source_time
FROM moves
WHERE move IS NOT NULL;

INSERT INTO `alerts.price-movement`
SELECT
  alert_id, alert_type, symbol, direction, baseline_price, current_price, pct_change,
  window_start_ms, detected_at_ms, severity
FROM price_alerts;

INSERT INTO `$lake`.market.price_alerts
SELECT
  alert_id, alert_type, symbol, direction, baseline_price, current_price, pct_change,
  TO_TIMESTAMP_LTZ(window_start_ms, 3), TO_TIMESTAMP_LTZ(detected_at_ms, 3), severity,
  source_topic, source_partition, source_offset, source_time
FROM price_alerts;
