-- What a job cannot use, with the reason: to the dead-letter topic of the reason and to the lake.

CREATE TEMPORARY VIEW refused AS
SELECT
  CASE
    WHEN error_type IN ($rule_errors) THEN '$processing_errors'
    ELSE '$deserialization'
  END AS topic,
  original_value, error_type, error_message,
  source_topic, source_partition, source_offset,
  '$job' AS job,
  wall_clock(source_offset) AS timestamp_ms
FROM $owned
WHERE error_type IS NOT NULL;

INSERT INTO dead_letters
SELECT
  CONCAT('$prefix', topic),
  original_value, error_type, error_message,
  source_topic, source_partition, source_offset,
  job, timestamp_ms
FROM refused;

INSERT INTO `$lake`.ops.dead_letters
SELECT
  topic,
  original_value, error_type, error_message,
  source_topic, source_partition, source_offset,
  job, TO_TIMESTAMP_LTZ(timestamp_ms, 3)
FROM refused;
