-- The trades as the definition of the windows reads them.
CREATE OR REPLACE TEMP VIEW read_trades AS
SELECT *, epoch_ms(event_time) AS timestamp_ms, CAST(NULL AS VARCHAR) AS error_topic FROM trades
