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
