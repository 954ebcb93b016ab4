SELECT symbol, company_name, sector, industry, market_cap_tier, exchange
FROM reference.symbols
ORDER BY symbol
