package workbench.functions;

import java.math.BigDecimal;
import java.math.RoundingMode;

import org.apache.flink.table.annotation.DataTypeHint;
import org.apache.flink.table.functions.ScalarFunction;

/**
 * {@code divide_half_up(a, b)}: a / b, rounded once and half-up to 4 decimals; null where b is zero.
 *
 * <p>SQL's decimal division rounds to a scale of its own first, and a second rounding then moves
 * about one quotient in twenty thousand by one unit.
 */
public class DivideHalfUp extends ScalarFunction {
    private static final long serialVersionUID = 1L;

    public @DataTypeHint("DECIMAL(18, 4)") BigDecimal eval(
            @DataTypeHint("DECIMAL(38, 16)") BigDecimal a,
            @DataTypeHint("DECIMAL(38, 8)") BigDecimal b) {
        return divide(a, b, 4);
    }

    static BigDecimal divide(BigDecimal a, BigDecimal b, int scale) {
        return a == null || b == null || b.signum() == 0
                ? null : a.divide(b, scale, RoundingMode.HALF_UP);
    }

    /** {@code divide_to_hundredths(a, b)}: the same with 2 decimals. */
    public static class ToHundredths extends ScalarFunction {
        private static final long serialVersionUID = 1L;

        public @DataTypeHint("DECIMAL(18, 2)") BigDecimal eval(
                @DataTypeHint("DECIMAL(38, 16)") BigDecimal a,
                @DataTypeHint("DECIMAL(38, 8)") BigDecimal b) {
            return divide(a, b, 2);
        }
    }
}
