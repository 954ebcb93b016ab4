-- Every valid trade event of a known status. (Dead letters: ../dead_letters.sql.)

INSERT INTO `$lake`.market.trades
SELECT
  trade_id, order_id, symbol, side, quantity, price, status, exchange, trader_id, account_id,
  event_time, event_type,
  source_topic, source_partition, source_offset, source_time
FROM trades
WHERE error_type IS NULL AND status IN ($statuses);
