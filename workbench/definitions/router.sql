-- Each valid trade event, byte for byte, to the topic of its status; keyed by its order, and
-- by its own identity where it has no topic.
SELECT
    coalesce(error_topic, $topics[list_position($statuses, status)]) AS topic,
    encode(CASE WHEN error_topic IS NULL THEN order_id ELSE trade_id END) AS key,
    value
FROM read_trades
WHERE error_topic IS NULL OR error_topic = $unroutable
