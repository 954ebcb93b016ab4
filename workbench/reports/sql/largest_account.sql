-- The account with the largest notional in [$since, $until).
SELECT account_id
FROM market.executions
WHERE event_time >= $since AND event_time < $until AND account_id IS NOT NULL
GROUP BY account_id
ORDER BY sum(notional(price, quantity)) DESC, account_id
LIMIT 1
