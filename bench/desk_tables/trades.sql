-- Events $first to $last, evenly in time: of every symbol in turn, two of five are executions.
SELECT
    't' || i AS trade_id,
    'o' || i AS order_id,
    'S' || (i * 7919 % $symbols) AS symbol,
    CASE WHEN i // $symbols % 2 = 0 THEN 'BUY' ELSE 'SELL' END AS side,
    CAST(1 + i % 97 AS DECIMAL(18, 8)) AS quantity,
    CAST(100 + (i * 31 % 1000) / 100 AS DECIMAL(18, 8)) AS price,
    ['FILLED', 'NEW', 'PARTIALLY_FILLED', 'CANCELLED', 'REJECTED'][
        1 + (i + i // $symbols) % 5
    ] AS status,
    'X' AS exchange,
    'A' || (i % 50) AS account_id,
    TIMESTAMPTZ '2024-06-03 00:00:00+00'
        + to_microseconds(CAST(i * $step_us AS BIGINT)) AS event_time,
    'raw.trades' AS source_topic,
    0 AS source_partition,
    i AS source_offset,
    TIMESTAMPTZ '2024-06-03 00:00:00+00'
        + to_microseconds(CAST(i * $step_us AS BIGINT)) AS source_time
FROM range($first, $last) AS made(i)
