-- The order books of all symbols from $since to $until, in one row.
SELECT
    count(*) AS snapshots,
    count(spread) AS two_sided,
    count(DISTINCT symbol) AS symbols,
    quantile_disc(spread_bps, 0.5) AS median_spread_bps
FROM market.orderbook_metrics
WHERE event_time >= $since AND event_time < $until
