-- Symbols that have ever had an order book.
SELECT DISTINCT symbol
FROM market.orderbook_metrics
ORDER BY symbol
