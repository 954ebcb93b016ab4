-- Everything that traded in [$since, $until).
SELECT
    count(*) AS events,
    count(*) FILTER (list_contains($executions, status)) AS executions,
    count(DISTINCT symbol) FILTER (list_contains($executions, status)) AS symbols,
    count(DISTINCT account_id) FILTER (list_contains($executions, status)) AS accounts,
    count(*) - count(DISTINCT trade_id) AS duplicates,
    coalesce(sum(quantity) FILTER (list_contains($executions, status)), 0) AS volume,
    coalesce(sum(notional(price, quantity)) FILTER (list_contains($executions, status)), 0)
        AS notional,
    vwap(
        sum(notional(price, quantity)) FILTER (list_contains($executions, status)),
        sum(quantity) FILTER (list_contains($executions, status))
    ) AS vwap
FROM market.trades
WHERE event_time >= $since AND event_time < $until
