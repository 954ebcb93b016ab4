package workbench.functions;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.HashMap;
import java.util.Map;

import org.apache.flink.table.annotation.DataTypeHint;
import org.apache.flink.table.annotation.FunctionHint;
import org.apache.flink.table.functions.AggregateFunction;
import org.apache.flink.types.Row;

/**
 * {@code price_move(symbol, price, timestamp_ms, rules)}, over the prices of a symbol in their
 * order: the move that the last of them makes, or null where it makes none.
 *
 * <p>The first price is the baseline. One that is more than the window later replaces it. One that
 * is the threshold or more away from it is a move, unless the symbol had one within the cooldown,
 * and is the next baseline. The rules are a literal, {@code symbol|percent|window_ms|cooldown_ms}
 * joined by {@code ;}, of which the one without a symbol is for all that have none of their own.
 */
@FunctionHint(
        output = @DataTypeHint(
                "ROW<baseline_price DECIMAL(18, 8), baseline_time BIGINT, "
                        + "pct_change DECIMAL(18, 2), severity STRING>"))
public class PriceMove extends AggregateFunction<Row, PriceMove.State> {
    private static final long serialVersionUID = 1L;
    private static final BigDecimal HUNDRED = BigDecimal.valueOf(100);
    /** The largest DECIMAL(18, 2). */
    private static final BigDecimal MOST = new BigDecimal("9999999999999999.99");

    /** What is kept of a symbol, and the move of its last price. */
    public static class State {
        public @DataTypeHint("DECIMAL(18, 8)") BigDecimal baselinePrice;
        public Long baselineTime;
        public Long lastMove;
        public @DataTypeHint("DECIMAL(18, 8)") BigDecimal moveBaselinePrice;
        public Long moveBaselineTime;
        public @DataTypeHint("DECIMAL(18, 2)") BigDecimal movePercent;
        public String moveSeverity;
    }

    private static final class Rule {
        final BigDecimal percent;
        final long window;
        final long cooldown;

        Rule(String[] parts) {
            percent = new BigDecimal(parts[1]);
            window = Long.parseLong(parts[2]);
            cooldown = Long.parseLong(parts[3]);
        }
    }

    private transient Map<String, Rule> rules;
    private transient Rule common;

    @Override
    public State createAccumulator() {
        return new State();
    }

    @Override
    public Row getValue(State state) {
        return state.moveBaselinePrice == null
                ? null
                : Row.of(
                        state.moveBaselinePrice, state.moveBaselineTime,
                        state.movePercent, state.moveSeverity);
    }

    public void accumulate(
            State state,
            String symbol,
            @DataTypeHint("DECIMAL(18, 8)") BigDecimal price,
            Long time,
            String spec) {
        if (rules == null) {
            read(spec);
        }
        Rule rule = rules.getOrDefault(symbol, common);
        state.moveBaselinePrice = null;
        state.moveBaselineTime = null;
        state.movePercent = null;
        state.moveSeverity = null;
        if (state.baselinePrice == null || time - state.baselineTime > rule.window) {
            state.baselinePrice = price;
            state.baselineTime = time;
            return;
        }
        BigDecimal hundredfold = price.subtract(state.baselinePrice).abs().multiply(HUNDRED);
        boolean quiet = state.lastMove != null && time - state.lastMove < rule.cooldown;
        if (quiet || hundredfold.compareTo(rule.percent.multiply(state.baselinePrice)) < 0) {
            return;
        }
        state.moveBaselinePrice = state.baselinePrice;
        state.moveBaselineTime = state.baselineTime;
        state.movePercent =
                hundredfold.divide(state.baselinePrice, 2, RoundingMode.HALF_UP).min(MOST);
        state.moveSeverity = severity(hundredfold, state.baselinePrice);
        state.lastMove = time;
        state.baselinePrice = price;
        state.baselineTime = time;
    }

    private void read(String spec) {
        rules = new HashMap<>();
        for (String text : spec.split(";")) {
            String[] parts = text.split("\\|", 4);
            rules.put(parts[0], new Rule(parts));
        }
        common = rules.remove("");
    }

    private static String severity(BigDecimal hundredfold, BigDecimal baseline) {
        if (reaches(hundredfold, 10, baseline)) {
            return "CRITICAL";
        }
        if (reaches(hundredfold, 5, baseline)) {
            return "HIGH";
        }
        return reaches(hundredfold, 2, baseline) ? "MEDIUM" : "LOW";
    }

    private static boolean reaches(BigDecimal hundredfold, int percent, BigDecimal baseline) {
        return hundredfold.compareTo(BigDecimal.valueOf(percent).multiply(baseline)) >= 0;
    }
}
