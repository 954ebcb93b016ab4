-- One named figure over the kept runs of a report: by default the newest good run of each as-of.
SELECT as_of, figure.value AS value, figure.exact AS exact, figure.unit AS unit, run, verdict, started_at
FROM (
    SELECT as_of, run, verdict, started_at, unnest(figures) AS figure
    FROM ops.report_runs
    WHERE name = $name AND verdict <> 'error'
)
WHERE figure.name = $figure
QUALIFY $all_runs OR row_number() OVER (PARTITION BY as_of ORDER BY started_at DESC, run DESC) = 1
ORDER BY as_of, started_at, run
