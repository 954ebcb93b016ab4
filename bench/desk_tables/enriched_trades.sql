-- Every execution with its reference data.
SELECT
    trades.*,
    coalesce(reference.company_name, 'UNKNOWN') AS company_name,
    coalesce(reference.sector, 'UNKNOWN') AS sector,
    coalesce(reference.industry, 'UNKNOWN') AS industry,
    coalesce(reference.market_cap_tier, 'UNKNOWN') AS market_cap_tier,
    coalesce(reference.exchange, 'UNKNOWN') AS listed_exchange,
    event_time AS enriched_at
FROM trades
LEFT JOIN reference USING (symbol)
WHERE list_contains($executions, status)
