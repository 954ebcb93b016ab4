package workbench.functions;

import java.io.IOException;
import java.nio.charset.StandardCharsets;

import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonFactory;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonParser;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonToken;
import org.apache.flink.table.annotation.DataTypeHint;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.TimestampData;
import org.apache.flink.table.functions.ScalarFunction;

/**
 * {@code event_time(value, source_time, field)}: the time of a record's event for the watermark,
 * or null where the record has none that could be used.
 *
 * <p>It reads no further than the field. A time more than five minutes after the record's arrival
 * gives null, so that one wrong clock cannot make everybody else's records late; {@link ReadRecord}
 * refuses the same records.
 */
public class EventTime extends ScalarFunction {
    private static final long serialVersionUID = 1L;
    private static final long MAX_FUTURE_MS = 5 * 60 * 1000L;

    private transient JsonFactory factory;

    @DataTypeHint(value = "TIMESTAMP_LTZ(3)", bridgedTo = TimestampData.class)
    public TimestampData eval(
            @DataTypeHint("BYTES") byte[] value,
            @DataTypeHint(value = "TIMESTAMP_LTZ(3)", bridgedTo = TimestampData.class)
                    TimestampData sourceTime,
            @DataTypeHint(value = "STRING", bridgedTo = StringData.class) StringData field) {
        if (value == null || sourceTime == null) {
            return null;
        }
        if (factory == null) {
            factory = ReadRecord.factory();
        }
        Long millis = find(value, field.toString());
        if (millis == null || millis <= 0 || millis > sourceTime.getMillisecond() + MAX_FUTURE_MS) {
            return null;
        }
        return TimestampData.fromEpochMillis(millis);
    }

    private Long find(byte[] value, String field) {
        try (JsonParser parser = factory.createParser(value)) {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                return null;
            }
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                boolean found = field.equals(parser.currentName());
                JsonToken token = parser.nextToken();
                if (found && token == JsonToken.VALUE_NUMBER_INT) {
                    return parser.getLongValue();
                }
                if (found && token == JsonToken.VALUE_STRING) {
                    return Long.parseLong(parser.getText().strip());
                }
                if (found) {
                    return null;
                }
                parser.skipChildren();
            }
            return null;
        } catch (IOException | NumberFormatException error) {
            return null;
        }
    }
}
