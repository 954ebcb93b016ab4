-- Whether $symbol has ever traded or is in the reference data; no row when nothing has traded.
SELECT
    EXISTS (FROM market.executions WHERE symbol = $symbol)
    OR EXISTS (FROM reference.symbols WHERE symbol = $symbol) AS known
WHERE EXISTS (FROM market.executions)
