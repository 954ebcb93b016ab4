-- market.enriched_trades: executions with the reference data of their symbol.
SELECT
    read_trades.*,
    coalesce(symbols.company_name, 'UNKNOWN') AS company_name,
    coalesce(symbols.sector, 'UNKNOWN') AS sector,
    coalesce(symbols.industry, 'UNKNOWN') AS industry,
    coalesce(symbols.market_cap_tier, 'UNKNOWN') AS market_cap_tier,
    coalesce(symbols.exchange, 'UNKNOWN') AS listed_exchange,
    $now AS enriched_at
FROM read_trades
LEFT JOIN read_csv($symbols, header = true, all_varchar = true) AS symbols USING (symbol)
WHERE error_topic IS NULL AND list_contains($executions, status)
