-- Refused records by reason
--
-- job: string
-- source_topic: string
-- topic: string
-- error_type: string
-- records: int64 [records]
-- pending: int64 [records]
-- unclear: int64 [records]
-- replayed: int64 [records]
-- first_failed: timestamp[us, tz=UTC] [UTC]
-- last_failed: timestamp[us, tz=UTC] [UTC]

-- $ids = None
-- $job = None
-- $reason = None
-- $since = None
-- $state = None
-- $topic = None
-- $unsent = False
-- $until = None
-- Dead letters that were asked for, each with what became of it. A run of `dlq replay` leaves an
-- intent before it sends and an outcome after it: one without the other is unclear. What was sent
-- again counts for letters up to the refusal it was about: after a topic was made anew, the same
-- coordinates are another record.
WITH outcomes AS (
  SELECT
    run_id, source_topic, source_partition, source_offset,
    max(failed_at) AS failed_at,
    bool_or(state = 'sent') AS sent,
    bool_or(state <> 'intended') AS decided,
    max(replayed_at) AS replayed_at,
    any_value(to_topic) AS to_topic,
    max(to_partition) AS to_partition,
    max(to_offset) AS to_offset
  FROM ops.dead_letter_replays
  GROUP BY ALL
),
records AS (
  SELECT
    source_topic, source_partition, source_offset,
    max(failed_at) FILTER (sent) AS sent_up_to,
    max(failed_at) FILTER (NOT decided) AS unclear_up_to,
    count(*) FILTER (sent) AS replays,
    max(replayed_at) FILTER (sent) AS replayed_at,
    arg_max(concat(to_topic, '/', to_partition, '/', to_offset), replayed_at) FILTER (sent)
      AS replayed_to
  FROM outcomes
  GROUP BY ALL
),
letters AS (
  SELECT
    l.source_topic, l.source_partition, l.source_offset, l.job,
    l.topic, l.error_type, l.error_message, l.original_value, l.failed_at,
    CASE
      WHEN r.sent_up_to >= l.failed_at THEN 'replayed'
      WHEN r.unclear_up_to >= l.failed_at THEN 'unclear'
      ELSE 'pending'
    END AS state,
    CASE WHEN r.sent_up_to >= l.failed_at THEN r.replayed_at END AS replayed_at,
    CASE WHEN r.sent_up_to >= l.failed_at THEN r.replayed_to END AS replayed_to,
    CASE WHEN r.sent_up_to >= l.failed_at THEN r.replays ELSE 0 END AS replays
  FROM ops.dead_letters l
  LEFT JOIN records r USING (source_topic, source_partition, source_offset)
  WHERE ($job IS NULL OR l.job = $job)
    AND ($reason IS NULL OR l.error_type = $reason)
    AND ($topic IS NULL OR $topic IN (l.source_topic, l.topic))
    AND ($since IS NULL OR l.failed_at >= $since)
    AND ($until IS NULL OR l.failed_at <= $until)
    AND (
      $ids IS NULL
      OR concat(l.source_topic, '/', l.source_partition, '/', l.source_offset)
        IN (SELECT unnest(CAST($ids AS VARCHAR[])))
      OR concat(l.source_topic, '/', l.source_partition, '/', l.source_offset, '@', l.job)
        IN (SELECT unnest(CAST($ids AS VARCHAR[])))
    )
)
-- The letters (dead_letters/letters.sql) by job, topic and reason.
SELECT
    job,
    source_topic,
    topic,
    error_type,
    count(*) AS records,
    count(*) FILTER (state = 'pending') AS pending,
    count(*) FILTER (state = 'unclear') AS unclear,
    count(*) FILTER (state = 'replayed') AS replayed,
    min(failed_at) AS first_failed,
    max(failed_at) AS last_failed
FROM letters
WHERE ($state IS NULL OR state = $state) AND NOT ($unsent AND state = 'replayed')
GROUP BY job, source_topic, topic, error_type
ORDER BY records DESC, job, source_topic, topic, error_type
