-- Exact arithmetic of the figures: decimals as whole numbers (HUGEINT), so that the engines agree
-- to the last digit. DuckDB's own division of decimals goes through DOUBLE.

-- n / d, rounded half away from zero; null without a divisor. d is positive.
CREATE OR REPLACE MACRO half_up(n, d) AS (
    CASE WHEN d > 0 THEN
        sign(n) * (abs(CAST(n AS HUGEINT)) // CAST(d AS HUGEINT)
        + CASE WHEN abs(CAST(n AS HUGEINT)) % CAST(d AS HUGEINT)
                 >= CAST(d AS HUGEINT) - abs(CAST(n AS HUGEINT)) % CAST(d AS HUGEINT)
               THEN 1 ELSE 0 END)
    END
);

-- Price times quantity. Without the casts DuckDB keeps 18 digits, 16 of them decimals, and refuses
-- everything from 100 on.
CREATE OR REPLACE MACRO notional(price, quantity) AS (
    CAST(CAST(price AS DECIMAL(38, 8)) * CAST(quantity AS DECIMAL(38, 8)) AS DECIMAL(38, 16))
);

-- A price, quantity or volume in units of 0.00000001.
CREATE OR REPLACE MACRO units8(x) AS (
    CAST(floor(CAST(x AS DECIMAL(38, 8))) AS HUGEINT) * CAST(100000000 AS HUGEINT)
    + CAST(
        CAST(
            CAST(x AS DECIMAL(38, 8))
            - CAST(floor(CAST(x AS DECIMAL(38, 8))) AS DECIMAL(38, 8)) AS DECIMAL(9, 8)
        ) * CAST(100000000 AS DECIMAL(9, 0)) AS HUGEINT
    )
);

-- A notional (price times quantity, or a sum of it) in units of 0.0000000000000001.
CREATE OR REPLACE MACRO units16(x) AS (
    CAST(floor(CAST(x AS DECIMAL(38, 16))) AS HUGEINT) * CAST(10000000000000000 AS HUGEINT)
    + CAST(
        CAST(
            CAST(x AS DECIMAL(38, 16))
            - CAST(floor(CAST(x AS DECIMAL(38, 16))) AS DECIMAL(38, 16)) AS DECIMAL(38, 16)
        ) * CAST(10000000000000000 AS DECIMAL(17, 0)) AS HUGEINT
    )
);

-- Whole numbers as decimals: 12345 in units of 0.0001 is 1.2345.
CREATE OR REPLACE MACRO of_units2(n) AS (
    CAST(CAST(n AS DECIMAL(38, 0)) * CAST(0.01 AS DECIMAL(2, 2)) AS DECIMAL(38, 2))
);
CREATE OR REPLACE MACRO of_units4(n) AS (
    CAST(CAST(n AS DECIMAL(18, 0)) * CAST(0.0001 AS DECIMAL(4, 4)) AS DECIMAL(18, 4))
);
CREATE OR REPLACE MACRO of_units4_wide(n) AS (
    CAST(CAST(n AS DECIMAL(38, 0)) * CAST(0.0001 AS DECIMAL(4, 4)) AS DECIMAL(38, 4))
);
CREATE OR REPLACE MACRO of_units8(n) AS (
    CAST(CAST(n AS DECIMAL(38, 0)) * CAST(0.00000001 AS DECIMAL(8, 8)) AS DECIMAL(38, 8))
);

-- Volume-weighted average price, half-up to 4 decimals; null without volume.
-- value / volume = (V / 10^16) / (W / 10^8), and in units of 0.0001 that is V / (W * 10^4).
CREATE OR REPLACE MACRO vwap(total_value, total_volume) AS (
    of_units4(half_up(units16(total_value), units8(total_volume) * CAST(10000 AS HUGEINT)))
);

-- Buys per sell, half-up to 4 decimals; null without sells.
CREATE OR REPLACE MACRO buy_sell_ratio(buys, sells) AS (
    of_units4(half_up(CAST(buys AS HUGEINT) * CAST(10000 AS HUGEINT), CAST(sells AS HUGEINT)))
);

-- (b - a) / a in percent, half-up to 2 decimals, of two prices or volumes; null without a base.
CREATE OR REPLACE MACRO percent_change(a, b) AS (
    of_units2(half_up((units8(b) - units8(a)) * CAST(10000 AS HUGEINT), units8(a)))
);

-- Mean of a volume over a number of days, half-up to 8 decimals; null without days.
CREATE OR REPLACE MACRO mean_volume(total_volume, days) AS (
    of_units8(half_up(units8(total_volume), CAST(days AS HUGEINT)))
);

-- How far a volume lies above the mean of others, in percent, half-up to 2 decimals.
-- volume / (others / days) - 1 = (volume * days - others) / others.
CREATE OR REPLACE MACRO percent_of_mean(volume, others, days) AS (
    of_units2(half_up(
        (units8(volume) * CAST(days AS HUGEINT) - units8(others)) * CAST(10000 AS HUGEINT),
        units8(others)
    ))
);

-- a / b in percent, half-up to 4 decimals, of two whole numbers; null where b is not above zero.
CREATE OR REPLACE MACRO percent_of(a, b) AS (
    of_units4_wide(half_up(CAST(a AS HUGEINT) * CAST(1000000 AS HUGEINT), CAST(b AS HUGEINT)))
);

-- A notional in hundredths, half-up: what percentages of money are made from, so that they fit.
CREATE OR REPLACE MACRO cents(x) AS (half_up(units16(x), 100000000000000));

-- How many sample standard deviations a value lies above the mean of others, to 4 decimals; null
-- with fewer than 5 others, or where they are all the same. The one figure with a square root, and
-- so with doubles: the others must come in an order that does not change.
CREATE OR REPLACE MACRO z_score(x, others) AS (
    CASE WHEN len(others) >= 5 AND list_min(others) < list_max(others) THEN CAST(
        (CAST(x AS DOUBLE) - list_avg(others)) / list_aggregate(others, 'stddev_samp')
        AS DECIMAL(38, 4)
    ) END
);
