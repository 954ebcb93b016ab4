-- Whether a trade of the lake names $account_id; no row when no trade names any account.
SELECT
    EXISTS (FROM market.trades WHERE account_id = $account_id) AS known
WHERE EXISTS (FROM market.trades WHERE account_id IS NOT NULL)
