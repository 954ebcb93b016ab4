-- One named figure over these runs of a report: by default the newest good run of each as-of and of
-- the parameters that tell the runs apart.
WITH of_run AS (
    SELECT as_of, run, verdict, started_at, $apart[list_position($runs, run)] AS parameters,
        unnest(figures) AS figure
    FROM ops.report_runs
    WHERE name = $name AND list_contains($runs, run)
)
SELECT as_of, figure.value AS value, figure.exact AS exact, figure.unit AS unit, run, verdict,
    started_at, parameters
FROM of_run
WHERE figure.name = $figure
QUALIFY $all_runs OR row_number() OVER (
    PARTITION BY as_of, parameters ORDER BY started_at DESC, run DESC
) = 1
ORDER BY as_of, started_at, run
