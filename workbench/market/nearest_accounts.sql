-- The accounts of the lake whose names are most like $account_id, the most alike first.
SELECT account_id
FROM market.trades
WHERE account_id IS NOT NULL
GROUP BY account_id
ORDER BY jaro_winkler_similarity(lower(account_id), lower($account_id)) DESC, account_id
LIMIT 20
