package workbench.functions;

import java.io.IOException;
import java.io.InputStream;
import java.util.HashMap;
import java.util.Map;

import org.apache.flink.core.fs.FileStatus;
import org.apache.flink.core.fs.FileSystem;
import org.apache.flink.core.fs.Path;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.MappingIterator;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectReader;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.dataformat.csv.CsvMapper;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.dataformat.csv.CsvSchema;
import org.apache.flink.table.annotation.DataTypeHint;
import org.apache.flink.table.annotation.FunctionHint;
import org.apache.flink.table.functions.TableFunction;
import org.apache.flink.types.Row;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * {@code symbol_reference(symbol, uri)}: the reference data of a symbol now, {@code UNKNOWN} where
 * there is none. Always exactly one row.
 *
 * <p>The CSV behind the URI (any file system Flink knows) is looked at every ten seconds and read
 * again when it changed. A file that cannot be read is reported and the last good one stays in force;
 * only a job that starts without any refuses to run.
 *
 * <p>It counts as deterministic so that the sinks of a job share one look-up per row.
 */
@FunctionHint(output = @DataTypeHint(
        "ROW<company_name STRING, sector STRING, industry STRING, market_cap_tier STRING, "
                + "listed_exchange STRING>"))
public class SymbolReference extends TableFunction<Row> {
    private static final long serialVersionUID = 1L;
    private static final Logger LOG = LoggerFactory.getLogger(SymbolReference.class);
    private static final long CHECK_EVERY_NS = 10_000_000_000L;
    private static final String UNKNOWN = "UNKNOWN";
    private static final Row NOBODY = Row.of(UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN);
    private static final String[] COLUMNS = {
        "company_name", "sector", "industry", "market_cap_tier", "exchange"
    };

    private transient Map<String, Row> symbols;
    private transient String version;
    private transient long checkedAt;

    public void eval(String symbol, String uri) {
        long now = System.nanoTime();
        if (symbols == null || now - checkedAt > CHECK_EVERY_NS) {
            refresh(uri);
            checkedAt = now;
        }
        collect(symbols.getOrDefault(symbol, NOBODY));
    }

    private void refresh(String uri) {
        try {
            Path path = new Path(uri);
            FileSystem files = path.getFileSystem();
            FileStatus status = files.getFileStatus(path);
            String found = status.getModificationTime() + "/" + status.getLen();
            if (!found.equals(version)) {
                symbols = read(files, path);
                version = found;
                LOG.info("reference data: {} symbols from {}", symbols.size(), uri);
            }
        } catch (IOException | RuntimeException error) {
            if (symbols == null) {
                throw new IllegalStateException(
                        "no reference data at " + uri + ": write it with `workbench reference apply`",
                        error);
            }
            LOG.warn("reference data at {} cannot be read, the last good one stays", uri, error);
        }
    }

    private static Map<String, Row> read(FileSystem files, Path path) throws IOException {
        ObjectReader reader = new CsvMapper()
                .readerFor(Map.class).with(CsvSchema.emptySchema().withHeader());
        Map<String, Row> found = new HashMap<>();
        try (InputStream input = files.open(path);
                MappingIterator<Map<String, String>> lines = reader.readValues(input)) {
            while (lines.hasNext()) {
                Map<String, String> line = lines.next();
                Row row = new Row(COLUMNS.length);
                for (int i = 0; i < COLUMNS.length; i++) {
                    String value = line.get(COLUMNS[i]);
                    row.setField(i, value == null || value.isBlank() ? UNKNOWN : value.strip());
                }
                String symbol = line.get("symbol");
                if (symbol == null || symbol.isBlank()) {
                    throw new IOException("a line has no symbol: " + line);
                }
                found.put(symbol.strip(), row);
            }
        }
        if (found.isEmpty()) {
            throw new IOException("the file has no symbols");
        }
        return found;
    }
}
