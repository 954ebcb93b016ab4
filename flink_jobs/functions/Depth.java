package workbench.functions;

import java.math.BigDecimal;

import org.apache.flink.table.annotation.DataTypeHint;
import org.apache.flink.table.data.ArrayData;
import org.apache.flink.table.functions.ScalarFunction;

/**
 * {@code depth(levels, n)}: the quantity on the first n levels of one side of a book; null where
 * the side is empty. SQL has no sum over a part of an array.
 */
public class Depth extends ScalarFunction {
    private static final long serialVersionUID = 1L;

    // 28 digits hold 10^10 levels, and leave room: with 38, a sum of two would lose a decimal.
    public @DataTypeHint("DECIMAL(28, 8)") BigDecimal eval(
            @DataTypeHint(
                            value = "ARRAY<ROW<price DECIMAL(18, 8), quantity DECIMAL(18, 8)>>",
                            bridgedTo = ArrayData.class)
                    ArrayData levels,
            Integer count) {
        if (levels == null || levels.size() == 0) {
            return null;
        }
        BigDecimal sum = BigDecimal.ZERO;
        for (int i = 0; i < Math.min(count, levels.size()); i++) {
            sum = sum.add(levels.getRow(i, 2).getDecimal(1, 18, 8).toBigDecimal());
        }
        return sum;
    }
}
