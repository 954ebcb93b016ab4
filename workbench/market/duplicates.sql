-- Events in ($since, $as_of] whose trade_id was landed more than once.
SELECT
    trade_id,
    min(symbol) AS symbol,
    count(*) AS copies,
    -- What a copy says, apart from how it came.
    count(DISTINCT row(
        order_id, symbol, side, quantity, price, status, exchange, trader_id, account_id,
        event_time, event_type
    )) AS versions,
    min(event_time) AS event_time,
    min(source_time) AS first_arrival,
    max(source_time) AS last_arrival
FROM market.trades
WHERE event_time > $since AND event_time <= $as_of
GROUP BY trade_id
HAVING count(*) > 1
ORDER BY copies DESC, trade_id
