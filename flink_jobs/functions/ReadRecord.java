package workbench.functions;

import java.io.IOException;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;

import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonFactory;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonParser;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonToken;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.StreamReadConstraints;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.catalog.DataTypeFactory;
import org.apache.flink.table.data.ArrayData;
import org.apache.flink.table.data.DecimalData;
import org.apache.flink.table.data.GenericArrayData;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.TimestampData;
import org.apache.flink.table.functions.TableFunction;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.inference.TypeInference;

/**
 * Reads one JSON record strictly, as the contracts say, or says why it cannot.
 *
 * <p>{@code read_record(value BYTES, source_time TIMESTAMP_LTZ(3), spec STRING)} gives exactly one
 * row: the fields of the spec in order (all null when the record is refused), then
 * {@code error_type}, {@code error_message} and {@code original_value} (null when it is valid).
 * The spec is a literal derived from the contracts, {@code name|type|flags|symbols} joined by
 * {@code ;}, with the flags {@code r}equired, {@code p}ositive, {@code t}ime of the event,
 * {@code n}ormalised, {@code f}actor of the notional, and for the sides of a book {@code h}ighest or
 * {@code l}owest price first.
 *
 * <p>One parse per record, whatever the number of fields: SQL's own JSON functions parse the whole
 * text again for every expression. Most records are plain and need no parser: {@link PlainRecord}.
 */
public class ReadRecord extends TableFunction<RowData> {
    private static final long serialVersionUID = 1L;

    private static final int ORIGINAL_VALUE_CHARACTERS = 10_000;
    private static final int MAX_VALUE_BYTES = 8_000_000;
    static final int MAX_STRING_CHARACTERS = 1_000;
    private static final int SHOWN_CHARACTERS = 80;
    private static final int MAX_NUMBER_CHARACTERS = 100;
    private static final int MAX_NESTING = 200;
    static final long MAX_FUTURE_MS = 5 * 60 * 1000L;
    static final int SCALE = 8;
    private static final BigDecimal LIMIT = BigDecimal.TEN.pow(10);
    /** A sum of notionals is a decimal of 38 digits, 16 of them decimals, and must not overflow. */
    private static final int NOTIONAL_POWER = 14;
    static final BigDecimal MAX_NOTIONAL = BigDecimal.TEN.pow(NOTIONAL_POWER);
    private static final String BLANKS = " \t\n\u000b\f\r";
    private static final Pattern NUMBER =
            Pattern.compile("[+-]?(\\d+(\\.\\d*)?|\\.\\d+)([eE][+-]?\\d+)?");
    private static final Pattern INTEGER = Pattern.compile("[+-]?\\d+");
    private static final Pattern NOT_FINITE = Pattern.compile("[+-]?(nan|inf|infinity)", Pattern.CASE_INSENSITIVE);

    enum Kind { STRING, DECIMAL, LONG, LEVELS }

    /** One field of the spec. */
    static final class Field {
        final String name;
        final Kind kind;
        final boolean required;
        final boolean positive;
        final boolean eventTime;
        final boolean normalised;
        final boolean factor;
        final boolean highestFirst;
        final boolean lowestFirst;
        final String[] symbols;

        Field(String text) {
            String[] parts = text.split("\\|", 4);
            name = parts[0];
            kind = Kind.valueOf(parts[1]);
            required = parts[2].contains("r");
            positive = parts[2].contains("p");
            eventTime = parts[2].contains("t");
            normalised = parts[2].contains("n");
            factor = parts[2].contains("f");
            highestFirst = parts[2].contains("h");
            lowestFirst = parts[2].contains("l");
            symbols = parts[3].isEmpty() ? new String[0] : parts[3].split(",");
        }

        DataType type() {
            switch (kind) {
                case DECIMAL:
                    return DataTypes.DECIMAL(18, SCALE);
                case LONG:
                    return DataTypes.BIGINT();
                case LEVELS:
                    return DataTypes.ARRAY(DataTypes.ROW(
                            DataTypes.FIELD("price", DataTypes.DECIMAL(18, SCALE)),
                            DataTypes.FIELD("quantity", DataTypes.DECIMAL(18, SCALE))));
                default:
                    return DataTypes.STRING();
            }
        }
    }

    static Field[] fields(String spec) {
        String[] parts = spec.split(";");
        Field[] fields = new Field[parts.length];
        for (int i = 0; i < parts.length; i++) {
            fields[i] = new Field(parts[i]);
        }
        return fields;
    }

    /** Why a record cannot be used; carries no stack trace, because it is an answer. */
    private static final class Refused extends Exception {
        private static final long serialVersionUID = 1L;
        final String type;

        Refused(String type, String message) {
            super(message, null, false, false);
            this.type = type;
        }
    }

    private transient String spec;
    private transient Field[] fields;
    private transient Map<String, Integer> index;
    private transient PlainRecord plain;
    private transient JsonToken[] tokens;
    private transient String[] texts;
    /** The levels of a side as pairs of texts, one after the other; null where it is none. */
    private transient List<String>[] levels;
    private transient boolean[] repeated;
    private transient JsonFactory factory;
    private transient CharsetDecoder decoder;

    @Override
    public TypeInference getTypeInference(DataTypeFactory typeFactory) {
        return TypeInference.newBuilder()
                .typedArguments(
                        DataTypes.BYTES(),
                        DataTypes.TIMESTAMP_LTZ(3).bridgedTo(TimestampData.class),
                        DataTypes.STRING().bridgedTo(StringData.class))
                .outputTypeStrategy(call -> {
                    String text = call.getArgumentValue(2, String.class).orElseThrow(
                            () -> new IllegalArgumentException("the spec must be a literal"));
                    Field[] all = fields(text);
                    DataTypes.Field[] row = new DataTypes.Field[all.length + 3];
                    for (int i = 0; i < all.length; i++) {
                        row[i] = DataTypes.FIELD(all[i].name, all[i].type());
                    }
                    row[all.length] = DataTypes.FIELD("error_type", DataTypes.STRING());
                    row[all.length + 1] = DataTypes.FIELD("error_message", DataTypes.STRING());
                    row[all.length + 2] = DataTypes.FIELD("original_value", DataTypes.STRING());
                    return Optional.of(DataTypes.ROW(row).bridgedTo(RowData.class));
                })
                .build();
    }

    @SuppressWarnings("unchecked")
    private void prepare(StringData text) {
        spec = text.toString();
        fields = fields(spec);
        index = new HashMap<>();
        for (int i = 0; i < fields.length; i++) {
            index.put(fields[i].name, i);
        }
        plain = new PlainRecord(fields);
        tokens = new JsonToken[fields.length];
        texts = new String[fields.length];
        levels = new List[fields.length];
        repeated = new boolean[fields.length];
        factory = factory();
        decoder = StandardCharsets.UTF_8.newDecoder();
    }

    static JsonFactory factory() {
        return JsonFactory.builder()
                .streamReadConstraints(StreamReadConstraints.builder()
                        .maxStringLength(Integer.MAX_VALUE)
                        .maxNumberLength(Integer.MAX_VALUE)
                        .maxNameLength(Integer.MAX_VALUE)
                        .maxNestingDepth(MAX_NESTING)
                        .build())
                // Names of unknown records must not fill a table that is shared by the whole JVM.
                .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
                .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
                .build();
    }

    public void eval(byte[] value, TimestampData sourceTime, StringData specText) {
        if (fields == null) {
            prepare(specText);
        }
        GenericRowData row = new GenericRowData(fields.length + 3);
        if (value != null && plain.read(value, sourceTime.getMillisecond(), row)) {
            collect(row);
            return;
        }
        try {
            read(value, sourceTime.getMillisecond(), row);
        } catch (Refused refused) {
            for (int i = 0; i < fields.length; i++) {
                row.setField(i, null);
            }
            row.setField(fields.length, StringData.fromString(refused.type));
            row.setField(fields.length + 1, StringData.fromString(refused.getMessage()));
            row.setField(fields.length + 2, original(value));
        }
        collect(row);
    }

    private static StringData original(byte[] value) {
        if (value == null) {
            return null;
        }
        // A code point takes at most four bytes: no need to decode all of a 5 MB record.
        int bytes = Math.min(value.length, 4 * ORIGINAL_VALUE_CHARACTERS + 4);
        String text = new String(value, 0, bytes, StandardCharsets.UTF_8);
        int characters = text.codePointCount(0, text.length());
        if (characters > ORIGINAL_VALUE_CHARACTERS) {
            text = text.substring(0, text.offsetByCodePoints(0, ORIGINAL_VALUE_CHARACTERS));
        }
        return StringData.fromString(text);
    }

    private void read(byte[] value, long sourceTimeMs, GenericRowData row) throws Refused {
        if (value == null) {
            throw new Refused("tombstone", "the value is null");
        }
        if (value.length > MAX_VALUE_BYTES) {
            throw new Refused("too-large", value.length + " bytes, at most " + MAX_VALUE_BYTES);
        }
        CharBuffer chars;
        ByteBuffer bytes = ByteBuffer.wrap(value);
        try {
            chars = decoder.reset().decode(bytes);
        } catch (CharacterCodingException error) {
            throw new Refused("invalid-utf8", "byte " + bytes.position() + " is not UTF-8");
        }
        parse(chars);
        for (int i = 0; i < fields.length; i++) {
            row.setField(i, typed(fields[i], tokens[i], texts[i], levels[i]));
        }
        for (int i = 0; i < fields.length; i++) {
            Object typed = row.getField(i);
            if (fields[i].kind == Kind.DECIMAL && typed != null) {
                row.setField(i, inRange(fields[i], (String) typed));
            } else if (fields[i].kind == Kind.STRING && typed != null) {
                checkLength(fields[i], typed.toString());
            } else if (fields[i].kind == Kind.LEVELS && typed != null) {
                row.setField(i, ruledLevels(fields[i], levels[i]));
            }
        }
        checkCrossed(row);
        checkNotional(row);
        for (int i = 0; i < fields.length; i++) {
            if (fields[i].eventTime && row.getField(i) != null) {
                checkTime(fields[i], (Long) row.getField(i), sourceTimeMs);
            }
        }
    }

    /** Fills tokens, texts and repeated; the whole text must be one JSON object and nothing else. */
    private void parse(CharBuffer chars) throws Refused {
        for (int i = 0; i < fields.length; i++) {
            tokens[i] = null;
            texts[i] = null;
            levels[i] = null;
            repeated[i] = false;
        }
        JsonToken first;
        String text = null;
        try (JsonParser parser = parser(chars)) {
            first = parser.nextToken();
            if (first == null) {
                throw new Refused("invalid-json", "the value is empty");
            }
            if (first == JsonToken.START_OBJECT) {
                members(parser);
            } else if (first.isStructStart()) {
                parser.skipChildren();
            } else {
                text = parser.getText();
            }
            if (parser.nextToken() != null) {
                throw new Refused("invalid-json", "there is text after the JSON value");
            }
            checkSurrogates(chars);
        } catch (IOException error) {
            String message = String.valueOf(error.getMessage()).split("\n", 2)[0];
            throw new Refused("invalid-json", cut(message, 200));
        }
        if (first != JsonToken.START_OBJECT) {
            throw new Refused("not-an-object", shown(first, text) + " is not an object");
        }
        for (int i = 0; i < fields.length; i++) {
            if (repeated[i]) {
                throw new Refused("repeated-field", fields[i].name + ": occurs more than once");
            }
        }
    }

    private JsonParser parser(CharBuffer chars) throws IOException {
        return factory.createParser(
                chars.array(), chars.arrayOffset() + chars.position(), chars.remaining());
    }

    private void members(JsonParser parser) throws IOException {
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            Integer at = index.get(parser.currentName());
            JsonToken token = parser.nextToken();
            if (at != null) {
                repeated[at] |= tokens[at] != null;
                tokens[at] = token;
                texts[at] = token.isStructStart() ? null : parser.getText();
                levels[at] = null;
                if (fields[at].kind == Kind.LEVELS && token == JsonToken.START_ARRAY) {
                    levels[at] = levels(parser);
                    continue;
                }
            }
            parser.skipChildren();
        }
    }

    /** Reads to the end of the array; null where one of its elements is no level. */
    private static List<String> levels(JsonParser parser) throws IOException {
        List<String> pairs = new ArrayList<>();
        boolean valid = true;
        for (JsonToken token = parser.nextToken();
                token != JsonToken.END_ARRAY; token = parser.nextToken()) {
            if (token != JsonToken.START_OBJECT) {
                valid = false;
                parser.skipChildren();
                continue;
            }
            String price = null;
            String quantity = null;
            while (parser.nextToken() != JsonToken.END_OBJECT) {
                String name = parser.currentName();
                JsonToken value = parser.nextToken();
                if (name.equals("price")) {
                    price = decimalText(value, parser);
                } else if (name.equals("quantity")) {
                    quantity = decimalText(value, parser);
                }
                parser.skipChildren();
            }
            valid &= price != null && quantity != null;
            pairs.add(price);
            pairs.add(quantity);
        }
        return valid ? pairs : null;
    }

    private static String decimalText(JsonToken token, JsonParser parser) throws IOException {
        return token.isStructStart() ? null : decimalText(token, parser.getText());
    }

    /** The text of a decimal, as a number or in a string; null where it is none. */
    private static String decimalText(JsonToken token, String text) {
        if (token.isNumeric()) {
            return text;
        }
        String number = token == JsonToken.VALUE_STRING ? strip(text) : "";
        return NUMBER.matcher(number).matches() || NOT_FINITE.matcher(number).matches()
                ? number : null;
    }

    /** Half of a surrogate pair can only be written as an escape; no engine stores it. */
    private void checkSurrogates(CharBuffer chars) throws IOException, Refused {
        boolean escaped = false;
        for (int i = chars.position(); i + 1 < chars.limit() && !escaped; i++) {
            escaped = chars.array()[i] == '\\' && chars.array()[i + 1] == 'u';
        }
        if (!escaped) {
            return;
        }
        try (JsonParser parser = parser(chars)) {
            for (JsonToken token = parser.nextToken(); token != null; token = parser.nextToken()) {
                if (token == JsonToken.FIELD_NAME || token == JsonToken.VALUE_STRING) {
                    String text = parser.getText();
                    for (int i = 0; i < text.length(); i++) {
                        if (Character.isSurrogate(text.charAt(i))) {
                            if (i + 1 == text.length()
                                    || !Character.isSurrogatePair(
                                            text.charAt(i), text.charAt(i + 1))) {
                                throw new Refused("invalid-json", "half of a surrogate pair");
                            }
                            i++;
                        }
                    }
                }
            }
        }
    }

    private static String cut(String text, int characters) {
        if (text.codePointCount(0, text.length()) <= characters) {
            return text;
        }
        return text.substring(0, text.offsetByCodePoints(0, characters));
    }

    /** A value in an error message: numbers as written, strings quoted, both cut. */
    private static String shown(JsonToken token, String text) {
        if (token == JsonToken.VALUE_STRING) {
            return '"' + cut(text, SHOWN_CHARACTERS) + '"';
        }
        if (token.isStructStart()) {
            return token == JsonToken.START_OBJECT ? "an object" : "an array";
        }
        return cut(text, SHOWN_CHARACTERS);
    }

    private static String expected(Field field) {
        if (field.symbols.length > 0) {
            return "one of " + String.join(", ", field.symbols);
        }
        switch (field.kind) {
            case DECIMAL:
                return "a decimal";
            case LONG:
                return "a whole number of 64 bits";
            case LEVELS:
                return "a list of levels with price and quantity";
            default:
                return "a string";
        }
    }

    private static boolean isBlank(char letter) {
        return BLANKS.indexOf(letter) >= 0;
    }

    /** Cuts the blanks of ASCII, and no others: every engine must come to the same verdict. */
    private static String strip(String text) {
        int start = 0;
        int end = text.length();
        while (start < end && isBlank(text.charAt(start))) {
            start++;
        }
        while (start < end && isBlank(text.charAt(end - 1))) {
            end--;
        }
        return text.substring(start, end);
    }

    private static String upper(String text) {
        StringBuilder letters = new StringBuilder(text);
        for (int i = 0; i < letters.length(); i++) {
            char letter = letters.charAt(i);
            if (letter >= 'a' && letter <= 'z') {
                letters.setCharAt(i, (char) (letter - 'a' + 'A'));
            }
        }
        return letters.toString();
    }

    /** A string, a long, or the text of what is checked in a second pass: decimals and levels. */
    private static Object typed(Field field, JsonToken token, String text, List<String> levels)
            throws Refused {
        boolean isString = token == JsonToken.VALUE_STRING;
        if (token == null || token == JsonToken.VALUE_NULL || isString && strip(text).isEmpty()) {
            if (field.required) {
                throw new Refused(
                        "missing-field", field.name + ": missing, expected " + expected(field));
            }
            return null;
        }
        Object typed = field.kind == Kind.LEVELS ? levels : ofType(field, token, text);
        if (typed == null) {
            throw new Refused(
                    "wrong-type",
                    field.name + ": " + shown(token, text) + " is not " + expected(field));
        }
        return typed;
    }

    private static Object ofType(Field field, JsonToken token, String text) {
        boolean isString = token == JsonToken.VALUE_STRING;
        switch (field.kind) {
            case DECIMAL:
                return decimalText(token, text);
            case LONG:
                String whole = isString ? strip(text) : text;
                if (token != JsonToken.VALUE_NUMBER_INT && !isString
                        || !INTEGER.matcher(whole).matches()) {
                    return null;
                }
                try {
                    return Long.parseLong(whole);
                } catch (NumberFormatException tooLarge) {
                    return null;
                }
            default:
                return isString ? string(field, text) : null;
        }
    }

    private static StringData string(Field field, String text) {
        if (!field.normalised && field.symbols.length == 0) {
            return StringData.fromString(text);
        }
        String letters = upper(strip(text));
        for (String symbol : field.symbols) {
            if (symbol.equals(letters)) {
                return StringData.fromString(symbol);
            }
        }
        return field.symbols.length == 0 ? StringData.fromString(letters) : null;
    }

    private static DecimalData inRange(Field field, String text) throws Refused {
        return inRange(field, field.name, text);
    }

    private static DecimalData inRange(Field field, String name, String text) throws Refused {
        String shown = name + ": " + cut(text, SHOWN_CHARACTERS);
        double size = NOT_FINITE.matcher(text).matches() ? Double.NaN : Double.parseDouble(text);
        if (Double.isNaN(size) || Double.isInfinite(size)) {
            throw new Refused("not-finite", shown + " is not finite");
        }
        // Far out of the range the double decides: a decimal with a huge exponent costs gigabytes.
        BigDecimal exact;
        if (Math.abs(size) >= 1e11) {
            exact = size > 0 ? LIMIT : LIMIT.negate();
        } else if (Math.abs(size) < 1e-9) {
            exact = BigDecimal.ZERO.setScale(SCALE);
        } else {
            exact = new BigDecimal(text).setScale(SCALE, RoundingMode.HALF_UP);
        }
        if (field.positive && exact.signum() <= 0) {
            throw new Refused("not-positive", shown + " is not above zero");
        }
        if (exact.abs().compareTo(LIMIT) >= 0) {
            throw new Refused("out-of-range", shown + " is not below 10^10");
        }
        if (text.length() > MAX_NUMBER_CHARACTERS) {
            throw new Refused(
                    "out-of-range",
                    shown + " is longer than " + MAX_NUMBER_CHARACTERS + " characters");
        }
        return DecimalData.fromBigDecimal(exact, 18, SCALE);
    }

    /** The levels of a side: numbers in range, and each level worse than the one before. */
    private static ArrayData ruledLevels(Field field, List<String> texts) throws Refused {
        Object[] rows = new Object[texts.size() / 2];
        for (int i = 0; i < rows.length; i++) {
            rows[i] = GenericRowData.of(
                    inRange(field, field.name + ".price", texts.get(2 * i)),
                    inRange(field, field.name + ".quantity", texts.get(2 * i + 1)));
        }
        for (int i = 1; i < rows.length; i++) {
            DecimalData before = price(rows[i - 1]);
            DecimalData here = price(rows[i]);
            int outwards = here.compareTo(before);
            if (field.highestFirst && outwards >= 0 || field.lowestFirst && outwards <= 0) {
                throw new Refused(
                        "unsorted-levels",
                        field.name + ": level " + (i + 1) + " has " + plain(here) + " after "
                                + plain(before) + ", expected the "
                                + (field.highestFirst ? "highest" : "lowest") + " price first");
            }
        }
        return new GenericArrayData(rows);
    }

    private void checkCrossed(GenericRowData row) throws Refused {
        DecimalData bid = null;
        DecimalData ask = null;
        for (int i = 0; i < fields.length; i++) {
            ArrayData side = fields[i].kind == Kind.LEVELS ? (ArrayData) row.getField(i) : null;
            if (side != null && side.size() > 0) {
                DecimalData best = price(side.getRow(0, 2));
                bid = fields[i].highestFirst ? best : bid;
                ask = fields[i].lowestFirst ? best : ask;
            }
        }
        if (bid != null && ask != null && bid.compareTo(ask) > 0) {
            throw new Refused(
                    "crossed-book",
                    "best bid " + plain(bid) + " is above best ask " + plain(ask));
        }
    }

    private void checkNotional(GenericRowData row) throws Refused {
        List<String> factors = new ArrayList<>();
        BigDecimal notional = BigDecimal.ONE;
        for (int i = 0; i < fields.length; i++) {
            if (fields[i].factor) {
                factors.add(fields[i].name);
                notional = notional.multiply(((DecimalData) row.getField(i)).toBigDecimal());
            }
        }
        if (notional.compareTo(MAX_NOTIONAL) >= 0) {
            throw new Refused(
                    "out-of-range",
                    String.join(" times ", factors) + ": " + plain(notional)
                            + " is not below 10^" + NOTIONAL_POWER);
        }
    }

    private static DecimalData price(Object level) {
        return ((RowData) level).getDecimal(0, 18, SCALE);
    }

    private static String plain(DecimalData number) {
        return plain(number.toBigDecimal());
    }

    private static String plain(BigDecimal number) {
        return number.stripTrailingZeros().toPlainString();
    }

    private static void checkLength(Field field, String text) throws Refused {
        if (text.length() > MAX_STRING_CHARACTERS
                && text.codePointCount(0, text.length()) > MAX_STRING_CHARACTERS) {
            throw new Refused(
                    "out-of-range",
                    field.name + ": " + cut(text, SHOWN_CHARACTERS) + " is longer than "
                            + MAX_STRING_CHARACTERS + " characters");
        }
    }

    private static void checkTime(Field field, long millis, long sourceTimeMs) throws Refused {
        String shown = field.name + ": " + millis;
        if (millis <= 0) {
            throw new Refused("out-of-range", shown + " is not above zero");
        }
        long ahead = millis - sourceTimeMs;
        if (ahead > MAX_FUTURE_MS) {
            throw new Refused(
                    "future-time",
                    shown + " is " + ahead + " ms after its arrival, at most " + MAX_FUTURE_MS);
        }
    }
}
