-- Alerts of all symbols in 24 h, and what followed
--
-- detected_at: timestamp[us, tz=UTC] [UTC]
-- symbol: string
-- direction: string
-- severity: string
-- pct_change: decimal128(18, 2) [% of the baseline]
-- baseline_price: decimal128(18, 8) [quote currency]
-- current_price: decimal128(18, 8) [quote currency]
-- price_1m: decimal128(18, 8) [quote currency]
-- price_5m: decimal128(18, 8) [quote currency]
-- price_15m: decimal128(18, 8) [quote currency]
-- return_1m_pct: decimal128(38, 2) [%]
-- return_5m_pct: decimal128(38, 2) [%]
-- return_15m_pct: decimal128(38, 2) [%]
-- alert_id: string

-- $as_of = datetime.datetime(2024, 8, 8, 17, 53, 4, 111000, tzinfo=datetime.timezone.utc)
-- $since = datetime.datetime(2024, 8, 7, 17, 53, 4, 111000, tzinfo=datetime.timezone.utc)
-- $symbol = None
-- Alerts detected in ($since, $as_of], each once, and the symbol's last execution price within
-- 1, 5 and 15 minutes after; nothing after $as_of is known.
WITH alerts AS (
    SELECT alert_id, detected_at, symbol, direction, severity, pct_change, baseline_price,
        current_price
    FROM market.price_alerts
    WHERE detected_at > $since AND detected_at <= $as_of
      AND (CAST($symbol AS VARCHAR) IS NULL OR symbol = $symbol)
    -- A replay raises the same alert again.
    QUALIFY row_number() OVER (
        PARTITION BY alert_id ORDER BY source_time, source_topic, source_partition, source_offset
    ) = 1
),
prices AS (
    SELECT
        symbol,
        event_time,
        arg_max(price, (source_offset, source_partition, source_topic)) AS price
    FROM market.executions
    WHERE event_time > $since AND event_time <= $as_of
      AND symbol IN (SELECT symbol FROM alerts)
    GROUP BY symbol, event_time
),
horizons AS (
    SELECT alert_id, symbol, detected_at, minutes, detected_at + to_minutes(minutes) AS until
    FROM alerts
    CROSS JOIN (SELECT unnest([1, 5, 15]) AS minutes)
),
later AS (
    SELECT
        alert_id,
        max(price) FILTER (WHERE minutes = 1) AS price_1m,
        max(price) FILTER (WHERE minutes = 5) AS price_5m,
        max(price) FILTER (WHERE minutes = 15) AS price_15m
    FROM (
        SELECT alert_id, minutes, price, event_time, detected_at, until
        FROM horizons
        ASOF JOIN prices
            ON horizons.symbol = prices.symbol AND horizons.until >= prices.event_time
    )
    WHERE event_time > detected_at AND until <= $as_of
    GROUP BY alert_id
)
SELECT
    detected_at,
    symbol,
    direction,
    severity,
    pct_change,
    baseline_price,
    current_price,
    price_1m,
    price_5m,
    price_15m,
    percent_change(current_price, price_1m) AS return_1m_pct,
    percent_change(current_price, price_5m) AS return_5m_pct,
    percent_change(current_price, price_15m) AS return_15m_pct,
    alert_id
FROM alerts
LEFT JOIN later USING (alert_id)
ORDER BY detected_at, symbol, alert_id
