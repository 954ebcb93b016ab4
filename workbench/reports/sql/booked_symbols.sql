-- Symbols with order books from $since to $until, those with the most snapshots first.
SELECT symbol, count(*) AS snapshots
FROM market.orderbook_metrics
WHERE event_time >= $since AND event_time < $until
GROUP BY symbol
ORDER BY snapshots DESC, symbol
