-- Executions, volume and notional by the sector each execution was enriched with.
SELECT
    sector,
    count(*) AS executions,
    sum(quantity) AS volume,
    sum(notional(price, quantity)) AS notional
FROM market.enriched_trades
WHERE event_time >= $since AND event_time < $until
GROUP BY sector
ORDER BY notional DESC, sector
