package workbench.functions;

import org.apache.flink.table.annotation.DataTypeHint;
import org.apache.flink.table.functions.ScalarFunction;

/**
 * {@code wall_clock(any BIGINT)}: milliseconds since 1970 when the row was computed.
 *
 * <p>It takes an argument so that it is not folded into a constant, and counts as deterministic so
 * that the planner lets several sinks share the rows it is part of. CURRENT_TIMESTAMP is neither.
 */
public class WallClock extends ScalarFunction {
    private static final long serialVersionUID = 1L;

    public @DataTypeHint("BIGINT") Long eval(@DataTypeHint("BIGINT") Long row) {
        return System.currentTimeMillis();
    }
}
