-- Each valid trade event goes on, byte for byte, to the topic of its status. What cannot be read
-- or breaks a rule is the landing job's to report, and goes nowhere from here.

-- What both inserts have in common is computed once, with every column that it has: few.
CREATE TEMPORARY VIEW events AS
SELECT
  `value`, trade_id, order_id, status, $route AS route,
  source_topic, source_partition, source_offset, error_type
FROM trades;

CREATE TEMPORARY VIEW routed_trades AS
SELECT * FROM events
WHERE error_type IS NULL;

INSERT INTO routed
SELECT
  COALESCE(route, '$prefix$unroutable'),
  CASE WHEN route IS NULL THEN trade_id ELSE order_id END,
  `value`
FROM routed_trades;

INSERT INTO `$lake`.ops.dead_letters
SELECT
  '$unroutable',
  SUBSTRING(DECODE(`value`, 'UTF-8') FROM 1 FOR $original_value_characters),
  CASE WHEN status IS NULL THEN 'missing-status' ELSE 'unknown-status' END,
  CASE
    WHEN status IS NULL THEN 'status: missing, expected $known_statuses'
    ELSE CONCAT('status: "', SUBSTRING(status FROM 1 FOR 80), '" unknown, expected $known_statuses')
  END,
  source_topic, source_partition, source_offset,
  'router',
  TO_TIMESTAMP_LTZ(wall_clock(source_offset), 3)
FROM routed_trades
WHERE route IS NULL;
