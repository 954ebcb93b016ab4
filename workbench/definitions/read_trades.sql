-- Every record of the relation `raw`, read by the rules of workbench/contracts/reader.py.
--
-- A record is accepted here when it is plain: a flat object of simple ASCII strings and short
-- numbers, whose fields keep every rule. All others go through the Python reader, which says
-- why one is refused. That is fast where data is good and right where it is not: SQL never
-- has to refuse anything, and DuckDB's lenient JSON reader only sees strict JSON.
WITH decoded AS (
    SELECT *, epoch_ms(source_time) AS source_ms, TRY(decode(value)) AS text
    FROM raw
), plain AS (
    SELECT * EXCLUDE (text),
        CASE WHEN regexp_full_match(text, $plain_object) THEN text END AS text,
        -- One per member, as a plain object has no blank before a colon; more only where a
        -- string starts with a colon.
        length(text) - length(replace(text, '":', '"')) AS members
    FROM decoded
), transformed AS (
    SELECT *, unnest(json_transform(text, $fields)) FROM plain
), json AS (
    -- The fields as JSON text: a string still has its quotes, so that "1" is told from 1.
    SELECT source_topic, source_partition, source_offset, source_time, source_ms, value,
        text, members,
        CAST(COLUMNS(* EXCLUDE (
            source_topic, source_partition, source_offset, source_time, source_ms, value,
            text, members
        )) AS VARCHAR)
    FROM transformed
), tokens AS (
    SELECT source_topic, source_partition, source_offset, source_time, source_ms, value, text,
        -- As many members as fields: no name is repeated. Otherwise it takes a closer look.
        CASE WHEN members =
                    (json.trade_id IS NOT NULL)::INT + (json.order_id IS NOT NULL)::INT
                    + (json.symbol IS NOT NULL)::INT + (json.side IS NOT NULL)::INT
                    + (json.quantity IS NOT NULL)::INT + (json.price IS NOT NULL)::INT
                    + (json.status IS NOT NULL)::INT + (json.exchange IS NOT NULL)::INT
                    + (json.trader_id IS NOT NULL)::INT + (json.account_id IS NOT NULL)::INT
                    + (json.timestamp_ms IS NOT NULL)::INT + (json.event_type IS NOT NULL)::INT
             THEN true
             ELSE NOT regexp_matches(text, $repeated_field, 's') END AS distinct_names,
        starts_with(json.trade_id, '"') AND starts_with(json.order_id, '"')
            AND starts_with(json.symbol, '"') AND starts_with(json.side, '"')
            AND coalesce(starts_with(json.status, '"'), true)
            AND coalesce(starts_with(json.exchange, '"'), true)
            AND coalesce(starts_with(json.trader_id, '"'), true)
            AND coalesce(starts_with(json.account_id, '"'), true)
            AND coalesce(starts_with(json.event_type, '"'), true) AS strings,
        trim(json.trade_id, '"') AS trade_id,
        trim(json.order_id, '"') AS order_id,
        trim(json.symbol, '"') AS symbol,
        upper(trim(trim(json.side, '"'))) AS side,
        CASE WHEN regexp_full_match(json.quantity, $plain_decimal)
             THEN TRY_CAST(trim(json.quantity, '"') AS DECIMAL(18, 8)) END AS quantity,
        CASE WHEN regexp_full_match(json.price, $plain_decimal)
             THEN TRY_CAST(trim(json.price, '"') AS DECIMAL(18, 8)) END AS price,
        nullif(upper(trim(trim(json.status, '"'))), '') AS status,
        trim(json.exchange, '"') AS exchange,
        trim(json.trader_id, '"') AS trader_id,
        trim(json.account_id, '"') AS account_id,
        CASE WHEN regexp_full_match(json.timestamp_ms, $plain_long)
             THEN TRY_CAST(trim(json.timestamp_ms, '"') AS BIGINT) END AS timestamp_ms,
        trim(json.event_type, '"') AS event_type
    FROM json
), judged AS (
    SELECT *,
        coalesce(
            distinct_names AND strings
            AND trim(trade_id) <> '' AND trim(order_id) <> '' AND trim(symbol) <> ''
            AND coalesce(trim(exchange) <> '', true) AND coalesce(trim(trader_id) <> '', true)
            AND coalesce(trim(account_id) <> '', true) AND coalesce(trim(event_type) <> '', true)
            AND length(text) <= $max_value_bytes
            AND length(trade_id) <= $max_characters AND length(order_id) <= $max_characters
            AND length(symbol) <= $max_characters
            AND coalesce(length(status) <= $max_characters, true)
            AND coalesce(length(exchange) <= $max_characters, true)
            AND coalesce(length(trader_id) <= $max_characters, true)
            AND coalesce(length(account_id) <= $max_characters, true)
            AND coalesce(length(event_type) <= $max_characters, true)
            AND list_contains($sides, side)
            AND quantity > 0 AND price > 0
            AND price::DECIMAL(19, 8) * quantity < $max_notional
            AND timestamp_ms > 0 AND timestamp_ms <= source_ms + $max_future_ms,
            false) AS accepted
    FROM tokens
), read AS (
    SELECT * EXCLUDE (distinct_names, strings, text),
        CASE WHEN NOT accepted THEN read_trade(value, source_ms) END AS reading
    FROM judged
), merged AS (
    SELECT source_topic, source_partition, source_offset, source_time, value,
        reading.error_type AS error_type,
        reading.error_message AS error_message,
        reading.error_topic AS error_topic,
        reading.original_value AS original_value,
        CASE WHEN accepted THEN trade_id ELSE reading.trade_id END AS trade_id,
        CASE WHEN accepted THEN order_id ELSE reading.order_id END AS order_id,
        CASE WHEN accepted THEN symbol ELSE reading.symbol END AS symbol,
        CASE WHEN accepted THEN side ELSE reading.side END AS side,
        CASE WHEN accepted THEN quantity ELSE reading.quantity END AS quantity,
        CASE WHEN accepted THEN price ELSE reading.price END AS price,
        CASE WHEN accepted THEN status ELSE reading.status END AS status,
        CASE WHEN accepted THEN exchange ELSE reading.exchange END AS exchange,
        CASE WHEN accepted THEN trader_id ELSE reading.trader_id END AS trader_id,
        CASE WHEN accepted THEN account_id ELSE reading.account_id END AS account_id,
        CASE WHEN accepted THEN timestamp_ms ELSE reading.timestamp_ms END AS timestamp_ms,
        CASE WHEN accepted THEN event_type ELSE reading.event_type END AS event_type
    FROM read
)
-- A valid event without a known status has no topic: the router's dead letter.
SELECT * REPLACE (
        CASE WHEN unroutable AND status IS NULL THEN 'missing-status'
             WHEN unroutable THEN 'unknown-status'
             ELSE error_type END AS error_type,
        CASE WHEN unroutable AND status IS NULL THEN 'status: missing, ' || $status_expected
             WHEN unroutable
             THEN 'status: "' || left(status, $shown_characters) || '" unknown, ' || $status_expected
             ELSE error_message END AS error_message,
        CASE WHEN unroutable THEN $unroutable ELSE error_topic END AS error_topic,
        CASE WHEN unroutable
             THEN left(decode(value), $original_value_characters)
             ELSE original_value END AS original_value),
    make_timestamptz(timestamp_ms * 1000) AS event_time
FROM (
    SELECT *,
        error_type IS NULL AND NOT coalesce(list_contains($statuses, status), false) AS unroutable
    FROM merged
)
