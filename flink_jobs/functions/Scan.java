package workbench.functions;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/** Finds the end of strings and of blanks in the bytes of JSON, eight bytes at a time. */
final class Scan {
    private static final VarHandle EIGHT =
            MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
    private static final long ONES = 0x0101010101010101L;
    private static final long HIGH = 0x80 * ONES;

    private Scan() {}

    /** The place of the closing quote; -1 where the string is not printable ASCII, or has escapes. */
    static int plainStringEnd(byte[] value, int start) {
        int at = start;
        for (; at + 8 <= value.length; at += 8) {
            long word = (long) EIGHT.get(value, at);
            // The lowest of the marks is right; only above it may others be wrong.
            long marks = word & HIGH | below(word, ' ') | equal(word, '"') | equal(word, '\\')
                    | equal(word, 0x7f);
            if (marks != 0) {
                int found = at + (Long.numberOfTrailingZeros(marks) >>> 3);
                return value[found] == '"' ? found : -1;
            }
        }
        for (; at < value.length; at++) {
            byte letter = value[at];
            if (letter == '"') {
                return at;
            }
            if (letter < ' ' || letter == '\\' || letter == 0x7f) { // above ASCII: negative
                return -1;
            }
        }
        return -1;
    }

    static int blanks(byte[] value, int at) {
        while (at < value.length
                && (value[at] == ' ' || value[at] == '\t' || value[at] == '\n' || value[at] == '\r')) {
            at++;
        }
        return at;
    }

    /** Marks the bytes below a letter of ASCII; those above ASCII may be marked or not. */
    private static long below(long word, int letter) {
        return (word - letter * ONES) & ~word & HIGH;
    }

    private static long equal(long word, int letter) {
        long zero = word ^ letter * ONES;
        return (zero - ONES) & ~zero & HIGH;
    }
}
