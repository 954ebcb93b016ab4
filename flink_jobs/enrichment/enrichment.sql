-- Executions with the reference data in force when they are read; UNKNOWN where there is none.

CREATE TEMPORARY VIEW executions AS
SELECT filled.*, wall_clock(source_offset) AS enriched_at_ms
FROM filled
WHERE error_type IS NULL AND status IN ($executions);

CREATE TEMPORARY VIEW enriched AS
SELECT
  trade_id, order_id, symbol, side, quantity, price, status, exchange, trader_id, account_id,
  timestamp_ms, event_type,
  company_name, sector, industry, market_cap_tier, listed_exchange,
  enriched_at_ms,
  source_topic, source_partition, source_offset, source_time
FROM executions
CROSS JOIN LATERAL TABLE(symbol_reference(symbol, $symbols_uri));

INSERT INTO `enriched.trades`
SELECT
  trade_id, order_id, symbol, side, quantity, price, status, exchange, trader_id, account_id,
  timestamp_ms, event_type,
  company_name, sector, industry, market_cap_tier, listed_exchange,
  enriched_at_ms
FROM enriched;

INSERT INTO `$lake`.market.enriched_trades
SELECT
  trade_id, order_id, symbol, side, quantity, price, status, exchange, trader_id, account_id,
  TO_TIMESTAMP_LTZ(timestamp_ms, 3), event_type,
  company_name, sector, industry, market_cap_tier, listed_exchange,
  TO_TIMESTAMP_LTZ(enriched_at_ms, 3),
  source_topic, source_partition, source_offset, source_time
FROM enriched;
