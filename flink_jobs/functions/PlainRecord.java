package workbench.functions;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

import org.apache.flink.core.memory.MemorySegment;
import org.apache.flink.core.memory.MemorySegmentFactory;
import org.apache.flink.table.data.DecimalData;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.binary.BinaryStringData;

/**
 * Reads a record that is plain and keeps every rule, straight from its bytes.
 *
 * <p>Plain is a flat object of printable ASCII without escapes, with numbers without exponents. Nearly
 * every record is, and needs neither a JSON parser nor a text: strings stay the bytes they are, and
 * decimals become whole numbers of their smallest unit. Of all others, and of every record that
 * breaks a rule, it says nothing: {@link ReadRecord} reads them and knows the reason.
 */
final class PlainRecord {
    /** A larger value is left to the parser; it is rare, and seldom plain. */
    private static final int MAX_BYTES = 65_536;
    private static final int WHOLE_DIGITS = 10;
    private static final int LONG_DIGITS = 18;
    private static final long[] POWERS = {
        1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000
    };
    private static final long ONE = POWERS[ReadRecord.SCALE];
    /** A double is not exact: near the bound, the other reader decides. */
    private static final double SURE_NOTIONAL = 0.999 * ReadRecord.MAX_NOTIONAL.doubleValue();

    private final ReadRecord.Field[] fields;
    private final byte[][] names;
    private final byte[][][] symbols;
    private final StringData[][] symbolValues;
    /** Where the value of each field starts and ends; quotes left out. -1 where it is absent. */
    private final int[] starts;
    private final int[] ends;
    private final boolean[] quoted;
    /** The record, as the strings taken from it share it. */
    private MemorySegment[] memory;

    PlainRecord(ReadRecord.Field[] fields) {
        this.fields = fields;
        names = new byte[fields.length][];
        symbols = new byte[fields.length][][];
        symbolValues = new StringData[fields.length][];
        for (int i = 0; i < fields.length; i++) {
            names[i] = fields[i].name.getBytes(StandardCharsets.UTF_8);
            String[] texts = fields[i].symbols;
            symbols[i] = new byte[texts.length][];
            symbolValues[i] = new StringData[texts.length];
            for (int j = 0; j < texts.length; j++) {
                symbols[i][j] = texts[j].getBytes(StandardCharsets.UTF_8);
                symbolValues[i][j] = StringData.fromString(texts[j]);
            }
        }
        starts = new int[fields.length];
        ends = new int[fields.length];
        quoted = new boolean[fields.length];
    }

    /** Fills the fields of the row; false where the record is not plain or breaks a rule. */
    boolean read(byte[] value, long sourceTimeMs, GenericRowData row) {
        if (value.length > MAX_BYTES || !find(value)) {
            return false;
        }
        memory = new MemorySegment[] {MemorySegmentFactory.wrap(value)};
        double notional = 1;
        for (int i = 0; i < fields.length; i++) {
            boolean missing = isMissing(value, i);
            Object typed = missing ? null : typed(value, i, sourceTimeMs);
            if (typed == null && (fields[i].required || !missing)) {
                return false;
            }
            row.setField(i, typed);
            if (fields[i].factor) {
                notional *= (double) ((DecimalData) typed).toUnscaledLong() / ONE;
            }
        }
        return notional < SURE_NOTIONAL;
    }

    /** Finds where each value is; false where the text is not a plain object. */
    private boolean find(byte[] value) {
        Arrays.fill(starts, -1);
        int at = Scan.blanks(value, 0);
        if (at >= value.length || value[at] != '{') {
            return false;
        }
        at = Scan.blanks(value, at + 1);
        int expected = 0;
        while (true) {
            if (at >= value.length || value[at] != '"') {
                return false; // also an empty object: it has nothing that is required
            }
            int field = -1;
            int nameEnd = expectedNameEnd(value, at + 1, expected);
            if (nameEnd >= 0) {
                field = expected;
            } else {
                nameEnd = Scan.plainStringEnd(value, at + 1);
                if (nameEnd < 0) {
                    return false;
                }
                field = field(value, at + 1, nameEnd, expected);
            }
            at = Scan.blanks(value, nameEnd + 1);
            if (at >= value.length || value[at] != ':') {
                return false;
            }
            at = Scan.blanks(value, at + 1);
            boolean isString = at < value.length && value[at] == '"';
            int start = isString ? at + 1 : at;
            int end = isString
                    ? Scan.plainStringEnd(value, start) : literalEnd(value, start, field >= 0);
            if (end < 0 || field >= 0 && starts[field] >= 0) {
                return false;
            }
            if (field >= 0) {
                starts[field] = start;
                ends[field] = end;
                quoted[field] = isString;
                expected = field + 1;
            }
            at = Scan.blanks(value, isString ? end + 1 : end);
            if (at >= value.length) {
                return false;
            }
            if (value[at] == '}') {
                return Scan.blanks(value, at + 1) == value.length;
            }
            if (value[at] != ',') {
                return false;
            }
            at = Scan.blanks(value, at + 1);
        }
    }

    /** The end of the name if it is the one that is expected, else -1. */
    private int expectedNameEnd(byte[] value, int start, int expected) {
        if (expected >= names.length) {
            return -1;
        }
        byte[] name = names[expected];
        int end = start + name.length;
        boolean found = end < value.length && value[end] == '"'
                && Arrays.equals(name, 0, name.length, value, start, end);
        return found ? end : -1;
    }

    /**
     * The end of a plain number, true, false or null; -1 where it is something else. What looks
     * like the number of a field is read once, with its field: no field takes what is none.
     */
    private static int literalEnd(byte[] value, int start, boolean ofField) {
        int end = start;
        while (end < value.length && value[end] != ',' && value[end] != '}' && value[end] > ' ') {
            end++;
        }
        if (ofField && start < end && value[start] <= '9') {
            return end;
        }
        boolean valid = isNumber(value, start, end)
                || is(value, start, end, "null") || is(value, start, end, "true")
                || is(value, start, end, "false");
        return valid ? end : -1;
    }

    private static boolean is(byte[] value, int start, int end, String word) {
        if (end - start != word.length()) {
            return false;
        }
        for (int i = 0; i < word.length(); i++) {
            if (value[start + i] != word.charAt(i)) {
                return false;
            }
        }
        return true;
    }

    /** {@code -?(0|[1-9][0-9]*)(\.[0-9]+)?} */
    private static boolean isNumber(byte[] value, int start, int end) {
        int at = start < end && value[start] == '-' ? start + 1 : start;
        int whole = digits(value, at, end);
        if (!isWhole(value, at, whole)) {
            return false;
        }
        if (whole == end) {
            return true;
        }
        return value[whole] == '.' && whole + 1 < end && digits(value, whole + 1, end) == end;
    }

    private static int digits(byte[] value, int at, int end) {
        while (at < end && value[at] >= '0' && value[at] <= '9') {
            at++;
        }
        return at;
    }

    /** The field of this name, most likely the one after the last; -1 where there is none. */
    private int field(byte[] value, int start, int end, int expected) {
        for (int i = 0; i < names.length; i++) {
            int candidate = (expected + i) % names.length;
            if (Arrays.equals(
                    names[candidate], 0, names[candidate].length, value, start, end)) {
                return candidate;
            }
        }
        return -1;
    }

    private boolean isMissing(byte[] value, int i) {
        if (starts[i] < 0) {
            return true;
        }
        if (!quoted[i]) {
            return value[starts[i]] == 'n';
        }
        for (int at = starts[i]; at < ends[i]; at++) {
            if (value[at] != ' ') {
                return false;
            }
        }
        return true;
    }

    /** The value of a field that keeps its rules; null where it does not, or may not. */
    private Object typed(byte[] value, int i, long sourceTimeMs) {
        switch (fields[i].kind) {
            case STRING:
                return quoted[i] ? string(value, i) : null;
            case DECIMAL:
                return decimal(value, i);
            case LONG:
                return whole(value, i, sourceTimeMs);
            default:
                return null;
        }
    }

    private StringData string(byte[] value, int i) {
        int start = starts[i];
        int length = ends[i] - start;
        if (length > ReadRecord.MAX_STRING_CHARACTERS) {
            return null;
        }
        for (int j = 0; j < symbols[i].length; j++) {
            if (Arrays.equals(symbols[i][j], 0, symbols[i][j].length, value, start, ends[i])) {
                return symbolValues[i][j];
            }
        }
        if (symbols[i].length > 0 || fields[i].normalised && !isNormal(value, start, ends[i])) {
            return null;
        }
        return BinaryStringData.fromAddress(memory, start, length);
    }

    private static boolean isNormal(byte[] value, int start, int end) {
        for (int at = start; at < end; at++) {
            if (value[at] == ' ' || value[at] >= 'a' && value[at] <= 'z') {
                return false;
            }
        }
        return true;
    }

    /** At most 10 digits before and 8 behind the point: a whole number of the smallest unit. */
    private DecimalData decimal(byte[] value, int i) {
        int end = ends[i];
        boolean negative = starts[i] < end && value[starts[i]] == '-';
        int start = negative ? starts[i] + 1 : starts[i];
        int point = digits(value, start, end);
        if (!isWhole(value, start, point) || point - start > WHOLE_DIGITS) {
            return null;
        }
        long number = ONE * number(value, start, point);
        if (point < end) {
            int decimals = end - point - 1;
            if (value[point] != '.' || decimals < 1 || decimals > ReadRecord.SCALE
                    || digits(value, point + 1, end) != end) {
                return null;
            }
            number += number(value, point + 1, end) * POWERS[ReadRecord.SCALE - decimals];
        }
        if (fields[i].positive && (negative || number == 0)) {
            return null;
        }
        return DecimalData.fromUnscaledLong(negative ? -number : number, 18, ReadRecord.SCALE);
    }

    private Long whole(byte[] value, int i, long sourceTimeMs) {
        int start = starts[i];
        int end = ends[i];
        if (end - start > LONG_DIGITS || digits(value, start, end) != end
                || !isWhole(value, start, end)) {
            return null;
        }
        long number = number(value, start, end);
        boolean inTime = number > 0 && number - sourceTimeMs <= ReadRecord.MAX_FUTURE_MS;
        return !fields[i].eventTime || inTime ? Long.valueOf(number) : null;
    }

    /** Of digits that are known as such: at least one, and no zero in front of others. */
    private static boolean isWhole(byte[] value, int start, int end) {
        return end > start && (value[start] != '0' || end == start + 1);
    }

    private static long number(byte[] value, int start, int end) {
        long number = 0;
        for (int at = start; at < end; at++) {
            number = 10 * number + (value[at] - '0');
        }
        return number;
    }
}
