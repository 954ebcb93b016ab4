-- The sectors there are.
SELECT DISTINCT sector
FROM reference.symbols
ORDER BY sector
