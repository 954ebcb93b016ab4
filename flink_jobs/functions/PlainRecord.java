package workbench.functions;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

import org.apache.flink.table.data.DecimalData;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.StringData;

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
    private static final long ONE = 100_000_000L;

    private final ReadRecord.Field[] fields;
    private final byte[][] names;
    private final byte[][][] symbols;
    private final StringData[][] symbolValues;
    /** Where the value of each field starts and ends; quotes left out. -1 where it is absent. */
    private final int[] starts;
    private final int[] ends;
    private final boolean[] quoted;

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
        for (int i = 0; i < fields.length; i++) {
            Object typed = isMissing(value, i) ? null : typed(value, i, sourceTimeMs);
            if (typed == null && (fields[i].required || !isMissing(value, i))) {
                return false;
            }
            row.setField(i, typed);
        }
        return true;
    }

    /** Finds where each value is; false where the text is not a plain object. */
    private boolean find(byte[] value) {
        Arrays.fill(starts, -1);
        int at = blanks(value, 0);
        if (at >= value.length || value[at] != '{') {
            return false;
        }
        at = blanks(value, at + 1);
        int expected = 0;
        while (true) {
            if (at >= value.length || value[at] != '"') {
                return false; // also an empty object: it has nothing that is required
            }
            int nameEnd = stringEnd(value, at + 1);
            if (nameEnd < 0) {
                return false;
            }
            int field = field(value, at + 1, nameEnd, expected);
            at = blanks(value, nameEnd + 1);
            if (at >= value.length || value[at] != ':') {
                return false;
            }
            at = blanks(value, at + 1);
            boolean isString = at < value.length && value[at] == '"';
            int start = isString ? at + 1 : at;
            int end = isString ? stringEnd(value, start) : literalEnd(value, start);
            if (end < 0 || field >= 0 && starts[field] >= 0) {
                return false;
            }
            if (field >= 0) {
                starts[field] = start;
                ends[field] = end;
                quoted[field] = isString;
                expected = field + 1;
            }
            at = blanks(value, isString ? end + 1 : end);
            if (at >= value.length) {
                return false;
            }
            if (value[at] == '}') {
                return blanks(value, at + 1) == value.length;
            }
            if (value[at] != ',') {
                return false;
            }
            at = blanks(value, at + 1);
        }
    }

    private static int blanks(byte[] value, int at) {
        while (at < value.length
                && (value[at] == ' ' || value[at] == '\t' || value[at] == '\n' || value[at] == '\r')) {
            at++;
        }
        return at;
    }

    /** The place of the closing quote; -1 where the string is not plain. */
    private static int stringEnd(byte[] value, int start) {
        for (int i = start; i < value.length; i++) {
            byte letter = value[i];
            if (letter == '"') {
                return i;
            }
            if (letter < ' ' || letter == '\\' || letter == 0x7f) { // bytes above ASCII are negative
                return -1;
            }
        }
        return -1;
    }

    /** The end of a plain number, true, false or null; -1 where it is something else. */
    private static int literalEnd(byte[] value, int start) {
        int end = start;
        while (end < value.length && value[end] != ',' && value[end] != '}' && value[end] > ' ') {
            end++;
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
        if (whole == at || value[at] == '0' && whole > at + 1) {
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
        return StringData.fromBytes(value, start, length);
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
        int at = starts[i];
        int end = ends[i];
        if (!isNumber(value, at, end)) {
            return null;
        }
        boolean negative = value[at] == '-';
        at = negative ? at + 1 : at;
        int point = digits(value, at, end);
        if (point - at > WHOLE_DIGITS || end - point > ReadRecord.SCALE + 1) {
            return null;
        }
        long number = 0;
        for (; at < point; at++) {
            number = 10 * number + (value[at] - '0');
        }
        long unit = ONE;
        number *= ONE;
        for (at = point + 1; at < end; at++) {
            unit /= 10;
            number += unit * (value[at] - '0');
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
                || !isNumber(value, start, end)) {
            return null;
        }
        long number = 0;
        for (int at = start; at < end; at++) {
            number = 10 * number + (value[at] - '0');
        }
        boolean inTime = number > 0 && number - sourceTimeMs <= ReadRecord.MAX_FUTURE_MS;
        return !fields[i].eventTime || inTime ? Long.valueOf(number) : null;
    }
}
