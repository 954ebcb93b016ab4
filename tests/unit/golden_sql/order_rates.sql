-- Orders by symbol in 24 h
--
-- name: string
-- orders: int64 [orders]
-- filled: int64 [orders]
-- cancelled: int64 [orders]
-- rejected: int64 [orders]
-- open: int64 [orders]
-- executed: int64 [orders]
-- events: int64 [events]
-- executions: int64 [executions]
-- fill_rate_pct: decimal128(38, 4) [% of orders]
-- executed_rate_pct: decimal128(38, 4) [% of orders]
-- cancel_rate_pct: decimal128(38, 4) [% of orders]
-- reject_rate_pct: decimal128(38, 4) [% of orders]

-- $as_of = datetime.datetime(2024, 8, 8, 17, 53, 4, 111000, tzinfo=datetime.timezone.utc)
-- $by = 'symbol'
-- $executions = ['FILLED', 'PARTIALLY_FILLED']
-- $since = datetime.datetime(2024, 8, 7, 17, 53, 4, 111000, tzinfo=datetime.timezone.utc)
-- Orders whose first event lies in ($since, $as_of], by what became of them up to $as_of.
WITH orders AS (
    SELECT
        order_id,
        -- The first event that names it.
        arg_min(
            CASE $by
                WHEN 'symbol' THEN symbol
                WHEN 'account' THEN account_id
                WHEN 'trader' THEN trader_id
                WHEN 'venue' THEN exchange
                WHEN 'side' THEN side
                ELSE 'ALL'
            END,
            (event_time, source_offset, source_partition, source_topic)
        ) AS name,
        count(DISTINCT trade_id) AS events,
        count(DISTINCT trade_id) FILTER (list_contains($executions, status)) AS executions,
        bool_or(status = 'FILLED') AS is_filled,
        bool_or(status = 'REJECTED') AS is_rejected,
        bool_or(status = 'CANCELLED') AS is_cancelled
    FROM market.trades
    WHERE event_time > $since AND event_time <= $as_of
      AND order_id NOT IN (
          SELECT order_id FROM market.trades WHERE event_time <= $since
      )
    GROUP BY order_id
),
ended AS (
    SELECT
        coalesce(name, 'UNKNOWN') AS name,
        events,
        executions,
        CASE
            WHEN is_filled THEN 'filled'
            WHEN is_rejected THEN 'rejected'
            WHEN is_cancelled THEN 'cancelled'
            ELSE 'open'
        END AS state
    FROM orders
),
counted AS (
    SELECT
        name,
        count(*) AS orders,
        count(*) FILTER (state = 'filled') AS filled,
        count(*) FILTER (state = 'cancelled') AS cancelled,
        count(*) FILTER (state = 'rejected') AS rejected,
        count(*) FILTER (state = 'open') AS open,
        count(*) FILTER (executions > 0) AS executed,
        CAST(sum(events) AS BIGINT) AS events,
        CAST(sum(executions) AS BIGINT) AS executions
    FROM ended
    GROUP BY name
)
SELECT
    name,
    orders,
    filled,
    cancelled,
    rejected,
    open,
    executed,
    events,
    executions,
    percent_of(filled, orders) AS fill_rate_pct,
    percent_of(executed, orders) AS executed_rate_pct,
    percent_of(cancelled, orders) AS cancel_rate_pct,
    percent_of(rejected, orders) AS reject_rate_pct
FROM counted
ORDER BY orders DESC, name
