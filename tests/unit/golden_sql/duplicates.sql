-- Events that came more than once in 24 h
--
-- trade_id: string
-- symbol: string
-- copies: int64 [events]
-- versions: int64 [different contents]
-- event_time: timestamp[us, tz=UTC] [UTC]
-- first_arrival: timestamp[us, tz=UTC] [UTC]
-- last_arrival: timestamp[us, tz=UTC] [UTC]

-- $as_of = datetime.datetime(2024, 8, 8, 17, 53, 4, 111000, tzinfo=datetime.timezone.utc)
-- $since = datetime.datetime(2024, 8, 7, 17, 53, 4, 111000, tzinfo=datetime.timezone.utc)
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
