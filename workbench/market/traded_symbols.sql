-- Symbols that have ever traded.
SELECT DISTINCT symbol
FROM market.executions
ORDER BY symbol
