-- Whether $symbol has ever had an order book; no row when nobody has.
SELECT EXISTS (FROM market.orderbook_metrics WHERE symbol = $symbol) AS known
WHERE EXISTS (FROM market.orderbook_metrics)
