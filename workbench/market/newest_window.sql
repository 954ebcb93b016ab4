-- The last moment of the newest window of $window_size.
SELECT max(window_end) - INTERVAL 1 MICROSECOND AS moment
FROM market.trade_aggregates
WHERE window_size = $window_size
