-- market.trades: every valid trade event of a known status, with its Kafka coordinates.
SELECT * FROM read_trades WHERE error_topic IS NULL
