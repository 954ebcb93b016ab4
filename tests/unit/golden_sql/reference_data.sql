-- Reference data of the symbols
--
-- symbol: string
-- company_name: string
-- sector: string
-- industry: string
-- market_cap_tier: string
-- exchange: string

SELECT symbol, company_name, sector, industry, market_cap_tier, exchange
FROM reference.symbols
ORDER BY symbol
