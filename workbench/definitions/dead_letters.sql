-- The records a job refuses. Each job owns some dead-letter topics of what it reads: the router
-- what has no topic, the others what cannot be used.
SELECT
    error_topic AS topic,
    original_value,
    error_type,
    error_message,
    source_topic,
    source_partition,
    source_offset,
    $job AS job,
    $now AS failed_at
FROM read_owned
WHERE list_contains($dead_letter_topics, error_topic)
