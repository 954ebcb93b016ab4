package workbench.functions;

import java.util.Optional;

import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.catalog.DataTypeFactory;
import org.apache.flink.table.data.DecimalData;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.functions.AggregateFunction;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.inference.TypeInference;

/**
 * {@code open_close(open_price, open_time, open_offset, close_price, close_time, close_offset)}:
 * the price that is first and the price that is last by event time, ties by arrival.
 *
 * <p>An execution is its own open and close; a partial result brings both. So the same function
 * aggregates executions and merges windows. SQL's FIRST_VALUE and LAST_VALUE follow arrival only.
 */
public class OpenClose extends AggregateFunction<RowData, RowData> {
    private static final long serialVersionUID = 1L;
    private static final int OPEN = 0;
    private static final int CLOSE = 3;

    private static DataType row() {
        return DataTypes.ROW(
                        DataTypes.FIELD("open_price", price()),
                        DataTypes.FIELD("open_time", time()),
                        DataTypes.FIELD("open_offset", time()),
                        DataTypes.FIELD("close_price", price()),
                        DataTypes.FIELD("close_time", time()),
                        DataTypes.FIELD("close_offset", time()))
                .bridgedTo(RowData.class);
    }

    private static DataType price() {
        return DataTypes.DECIMAL(18, 8).bridgedTo(DecimalData.class);
    }

    private static DataType time() {
        return DataTypes.BIGINT();
    }

    @Override
    public TypeInference getTypeInference(DataTypeFactory typeFactory) {
        return TypeInference.newBuilder()
                .typedArguments(price(), time(), time(), price(), time(), time())
                .accumulatorTypeStrategy(call -> Optional.of(row()))
                .outputTypeStrategy(call -> Optional.of(row()))
                .build();
    }

    @Override
    public RowData createAccumulator() {
        return new GenericRowData(6);
    }

    @Override
    public RowData getValue(RowData accumulator) {
        return accumulator.isNullAt(OPEN) ? null : accumulator;
    }

    public void accumulate(
            RowData accumulator,
            DecimalData openPrice, Long openTime, Long openOffset,
            DecimalData closePrice, Long closeTime, Long closeOffset) {
        GenericRowData kept = (GenericRowData) accumulator;
        if (order(kept, OPEN, openTime, openOffset) > 0) {
            set(kept, OPEN, openPrice, openTime, openOffset);
        }
        if (order(kept, CLOSE, closeTime, closeOffset) <= 0) {
            set(kept, CLOSE, closePrice, closeTime, closeOffset);
        }
    }

    public void merge(RowData accumulator, Iterable<RowData> others) {
        for (RowData other : others) {
            if (!other.isNullAt(OPEN)) {
                accumulate(
                        accumulator,
                        other.getDecimal(OPEN, 18, 8), other.getLong(1), other.getLong(2),
                        other.getDecimal(CLOSE, 18, 8), other.getLong(4), other.getLong(5));
            }
        }
    }

    public void resetAccumulator(RowData accumulator) {
        GenericRowData kept = (GenericRowData) accumulator;
        for (int i = 0; i < 6; i++) {
            kept.setField(i, null);
        }
    }

    /** Sign of (what is kept) - (what comes); nothing kept lets anything in on both sides. */
    private static int order(GenericRowData kept, int at, long time, long offset) {
        if (kept.isNullAt(at)) {
            return at == OPEN ? 1 : -1;
        }
        int byTime = Long.compare(kept.getLong(at + 1), time);
        return byTime != 0 ? byTime : Long.compare(kept.getLong(at + 2), offset);
    }

    private static void set(GenericRowData kept, int at, DecimalData price, long time, long offset) {
        kept.setField(at, price);
        kept.setField(at + 1, time);
        kept.setField(at + 2, offset);
    }
}
