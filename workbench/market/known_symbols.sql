-- Symbols that have traded or are in the reference data; none when nothing has traded.
SELECT DISTINCT symbol
FROM (FROM (SELECT symbol FROM market.executions) UNION ALL (SELECT symbol FROM reference.symbols))
WHERE EXISTS (FROM market.executions)
ORDER BY symbol
