-- Enriched without reference data in 24 h
--
-- symbol: string
-- executions: int64 [executions]
-- volume: decimal128(38, 8) [shares or coins]
-- notional: decimal128(38, 16) [quote currency]
-- first_event: timestamp[us, tz=UTC] [UTC]
-- last_event: timestamp[us, tz=UTC] [UTC]
-- known_now: bool

-- $as_of = datetime.datetime(2024, 8, 8, 17, 44, 31, 90000, tzinfo=datetime.timezone.utc)
-- $since = datetime.datetime(2024, 8, 7, 17, 44, 31, 90000, tzinfo=datetime.timezone.utc)
-- Executions in ($since, $as_of] that were enriched without reference data, by symbol.
SELECT
    symbol,
    count(*) AS executions,
    CAST(sum(quantity) AS DECIMAL(38, 8)) AS volume,
    sum(notional(price, quantity)) AS notional,
    min(event_time) AS first_event,
    max(event_time) AS last_event,
    symbol IN (SELECT symbol FROM reference.symbols) AS known_now
FROM market.enriched_trades
WHERE event_time > $since AND event_time <= $as_of AND company_name = 'UNKNOWN'
GROUP BY symbol
ORDER BY notional DESC, symbol
