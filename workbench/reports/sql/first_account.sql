-- The first account by name; no row where no trade names any.
SELECT account_id
FROM market.trades
WHERE account_id IS NOT NULL
ORDER BY account_id
LIMIT 1
