-- One row per symbol, window size and window: the partial rows of the aggregates job merged.
-- Every figure merges without loss: sums add up, extremes stay extremes, open and close carry
-- the time and offset they were chosen by, and VWAP and ratio are computed from the sums.
SELECT
    symbol,
    window_start,
    max(window_end) AS window_end,
    window_size,
    CAST(sum(total_volume) AS DECIMAL(38, 8)) AS total_volume,
    CAST(sum(total_value) AS DECIMAL(38, 16)) AS total_value,
    vwap(sum(total_value), sum(total_volume)) AS vwap,
    CAST(sum(trade_count) AS BIGINT) AS trade_count,
    CAST(sum(buy_count) AS BIGINT) AS buy_count,
    CAST(sum(sell_count) AS BIGINT) AS sell_count,
    buy_sell_ratio(sum(buy_count), sum(sell_count)) AS buy_sell_ratio,
    max(high_price) AS high_price,
    min(low_price) AS low_price,
    arg_min(open_price, (open_time, open_offset)) AS open_price,
    arg_max(close_price, (close_time, close_offset)) AS close_price,
    min(open_time) AS open_time,
    CAST(min((open_time, open_offset))[2] AS BIGINT) AS open_offset,
    max(close_time) AS close_time,
    CAST(max((close_time, close_offset))[2] AS BIGINT) AS close_offset,
    bool_or(late) AS late,
    max(computed_at) AS computed_at,
    count(*) AS partials
FROM market.trade_aggregates
GROUP BY symbol, window_size, window_start
