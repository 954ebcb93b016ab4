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
 * gives null; {@link ReadRecord} refuses the same records. One that is less ahead is the record's time,
 * and moves the watermark to its arrival.
 */
public class EventTime extends ScalarFunction {
    private static final long serialVersionUID = 1L;
    private static final long MAX_FUTURE_MS = 5 * 60 * 1000L;

    /** A record is asked for its time twice, one after the other: for its row and the watermark. */
    private static final ThreadLocal<Last> LAST = ThreadLocal.withInitial(Last::new);

    private static final class Last {
        byte[] value;
        long sourceTimeMs;
        String field;
        TimestampData time;
    }

    private transient JsonFactory factory;
    private transient byte[] name;
    private transient String nameText;
    private transient Last last;

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
            name = field.toBytes();
            nameText = field.toString();
            last = LAST.get();
        }
        long sourceTimeMs = sourceTime.getMillisecond();
        if (last.value != value || last.sourceTimeMs != sourceTimeMs
                || !nameText.equals(last.field)) {
            last.time = time(value, sourceTimeMs);
            last.value = value;
            last.sourceTimeMs = sourceTimeMs;
            last.field = nameText;
        }
        return last.time;
    }

    private TimestampData time(byte[] value, long sourceTimeMs) {
        long quick = scan(value, name);
        Long millis = quick > 0 ? Long.valueOf(quick) : find(value, nameText);
        if (millis == null || millis <= 0 || millis > sourceTimeMs + MAX_FUTURE_MS) {
            return null;
        }
        return TimestampData.fromEpochMillis(millis);
    }

    /**
     * Finds a plain whole number under the name at the top level of an object, without parsing;
     * -1 where anything is not plain. Every record passes here before it is parsed for good.
     */
    static long scan(byte[] value, byte[] name) {
        int depth = 0;
        for (int i = 0; i < value.length; i++) {
            byte letter = value[i];
            if (letter == '{' || letter == '[') {
                depth++;
            } else if (letter == '}' || letter == ']') {
                depth--;
            } else if (letter == '"') {
                int start = i + 1;
                for (i = start; i < value.length && value[i] != '"'; i++) {
                    if (value[i] == '\\') {
                        return -1;
                    }
                }
                if (depth == 1 && i - start == name.length && matches(value, start, name)) {
                    int at = Scan.blanks(value, i + 1);
                    if (at < value.length && value[at] == ':') {
                        return number(value, Scan.blanks(value, at + 1));
                    }
                }
            }
        }
        return -1;
    }

    private static boolean matches(byte[] value, int start, byte[] name) {
        for (int i = 0; i < name.length; i++) {
            if (value[start + i] != name[i]) {
                return false;
            }
        }
        return true;
    }

    /** At most 18 digits, with nothing behind them that would make them another value. */
    private static long number(byte[] value, int at) {
        long number = 0;
        int end = at;
        while (end < value.length && end - at < 18 && value[end] >= '0' && value[end] <= '9') {
            number = 10 * number + (value[end++] - '0');
        }
        int next = Scan.blanks(value, end);
        boolean ends = next < value.length && (value[next] == ',' || value[next] == '}');
        return end > at && ends ? number : -1;
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
