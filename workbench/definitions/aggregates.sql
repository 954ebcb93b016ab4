-- market.trade_aggregates: executions per symbol in tumbling windows of event time.
--
-- Minutes first, the longer windows from the minutes: sums are exact decimals and open and close
-- carry their time and offset, so that merging gives what one pass over the trades would give.
-- There is no watermark here and so nothing is late: where a stream had late rows, its
-- partial results merged are these rows.
WITH minutes AS (
    SELECT
        symbol,
        timestamp_ms // 60000 AS minute,
        sum(quantity) AS total_volume,
        sum(price::DECIMAL(19, 8) * quantity) AS total_value,
        count(*) AS trade_count,
        count(*) FILTER (side = 'BUY') AS buy_count,
        max(price) AS high_price,
        min(price) AS low_price,
        min({t: timestamp_ms, o: source_offset, p: price}) AS first,
        max({t: timestamp_ms, o: source_offset, p: price}) AS last
    FROM read_trades
    WHERE error_topic IS NULL AND list_contains($executions, status)
    GROUP BY ALL
), windows AS (
    SELECT
        symbol,
        window_size,
        minute // minutes * minutes AS start_minute,
        any_value(minutes) AS minutes,
        sum(total_volume) AS total_volume,
        sum(total_value) AS total_value,
        sum(trade_count)::BIGINT AS trade_count,
        sum(buy_count)::BIGINT AS buy_count,
        max(high_price) AS high_price,
        min(low_price) AS low_price,
        min(first) AS first,
        max(last) AS last
    FROM minutes
    CROSS JOIN (
        SELECT unnest($window_sizes) AS window_size, rtrim(window_size, 'm')::BIGINT AS minutes
    )
    GROUP BY symbol, window_size, start_minute
)
SELECT
    symbol,
    make_timestamptz(start_minute * 60000000) AS window_start,
    make_timestamptz((start_minute + minutes) * 60000000) AS window_end,
    window_size,
    total_volume,
    total_value,
    vwap(total_value, total_volume) AS vwap,
    trade_count,
    buy_count,
    trade_count - buy_count AS sell_count,
    buy_sell_ratio(buy_count, sell_count) AS buy_sell_ratio,
    high_price,
    low_price,
    first.p AS open_price,
    last.p AS close_price,
    make_timestamptz(first.t * 1000) AS open_time,
    first.o AS open_offset,
    make_timestamptz(last.t * 1000) AS close_time,
    last.o AS close_offset,
    false AS late,
    $now AS computed_at
FROM windows
