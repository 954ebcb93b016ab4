"""Run a job over files: the same SQL as in the stream, bounded, without broker or cluster.

The files are staged first: every record with the coordinates it would have in Kafka (the file as
topic, partition 0, the line as offset), so that one source serves every format.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.expressions import BooleanExpression, EqualTo

from workbench.config import Settings
from workbench.contracts import Job, job_named
from workbench.contracts.topics import staged_topic
from workbench.errors import StackError, UsageError
from workbench.ingest.files import iter_batches
from workbench.ingest.tally import Tally
from workbench.jobs.deployment import deployment
from workbench.jobs.process import ask
from workbench.lake.catalog import load_catalog
from workbench.lake.damage import load_table

Progress = Callable[[str], None]
#: Heap of the process a batch run happens in.
HEAP_MB = 1500
#: Tables whose rows say which file they came from.
LANDED_BY_SOURCE = (
    "market.trades",
    "market.enriched_trades",
    "market.price_alerts",
    "market.orderbook_metrics",
)
#: What a batch run stages, whatever its jobs read: a folder may stay empty.
STAGED = ("raw.trades", "raw.marketdata", "raw.orderbook")


def _topic_folders(output: Path, job: str) -> list[Path]:
    """The folders of a job's sinks: of its topics, and of those that choose the topic by row."""
    return [output / job / name for name in (*job_named(job).topics, "routed", "dead_letters")]


def _check_output(output: Path, jobs: list[str]) -> None:
    """Refuse a folder that cannot be written, before a row lands in the lake."""
    folder = output
    try:
        for folder in (output, *(output / job for job in jobs)):
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        for folder in (topic for job in jobs for topic in _topic_folders(output, job)):
            if folder.exists():
                folder.mkdir(exist_ok=True)  # says so where it is a file
    except OSError as error:
        raise UsageError(
            f"--output {output}: cannot write into {folder} ({error.strerror or error})",
            hint="name a folder that is there or can be made",
        ) from error


def _keep(written: Path, output: Path) -> None:
    """Put the files of every job in the place of those of an earlier run."""
    for job in written.iterdir():
        for topic in _topic_folders(output, job.name):
            # Flink names them so; what else lies there is not ours.
            for earlier in topic.glob("part-*"):
                if not earlier.is_dir():
                    earlier.unlink()
    for part in written.glob("*/*/part-*"):
        target = output / part.relative_to(written)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(part, target)


_STAGE = """
COPY (
  SELECT base64(value) AS value, $topic AS source_topic, 0 AS source_partition,
    source_offset, $time AS source_time, $first + source_offset AS arrival
  FROM rows ORDER BY source_offset
) TO '{path}' (FORMAT json)
"""


def source_topic(path: str | Path) -> str:
    """Return what a file is known by in the tables: its path as it was given.

    >>> source_topic("monday/trades.jsonl")
    'file:monday/trades.jsonl'
    """
    return f"file:{path}"


def _is(column: str, value: str) -> BooleanExpression:
    # PyIceberg's types describe the model behind the predicate, not the call everybody makes.
    return EqualTo(column, value)  # type: ignore[arg-type,call-arg]


def _check_new(catalog: Catalog, jobs: list[Job], paths: Sequence[str | Path]) -> None:
    """Refuse files that a job has landed before: their rows would count twice."""
    for table in {name for job in jobs for name in job.tables} & set(LANDED_BY_SOURCE):
        for path in dict.fromkeys(map(str, paths)):
            scan = catalog.load_table(table).scan(
                row_filter=_is("source_topic", source_topic(path)),
                selected_fields=("source_offset",),
                limit=1,
            )
            if scan.to_arrow().num_rows:
                raise UsageError(f"{path} is in {table} already", hint="--again lands it once more")


def stage(
    paths: Sequence[str | Path],
    form: str,
    folder: Path,
    *,
    wanted: Collection[str] = STAGED,
    read_at: datetime | None = None,
    tally: Tally | None = None,
) -> int:
    """Write the records of files as staged records, a folder per topic; return how many.

    Parameters
    ----------
    paths
        Files of one format, see `workbench.ingest.files.iter_batches`.
    form
        ``trades``, ``marketdata``, ``orderbook`` or ``binance``.
    folder
        Where the staged files go; it must exist.
    wanted
        The topics whose records are staged; the folders of others stay empty.
    read_at
        The time of reading, which stands for Kafka's timestamp; now when None.
    tally
        Gets what was read and is no record.
    """
    time = (read_at or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    for topic in STAGED:
        (folder / topic).mkdir()
    total = kept = 0
    for number, path in enumerate(paths):
        first = total
        for part, batch in enumerate(iter_batches(path, form, batch_rows=100_000, tally=tally)):
            # Its number among all records of its file: that is also its order against the
            # records of other topics.
            offsets = pa.array(range(total - first, total - first + batch.num_rows), pa.int64())
            table = pa.Table.from_batches([batch]).append_column("source_offset", offsets)
            total += batch.num_rows
            for topic in wanted:
                rows = table.filter(pa.compute.equal(table["topic"], topic))
                if rows.num_rows == 0:
                    continue
                kept += rows.num_rows
                target = folder / topic / f"{number:05d}-{part:06d}.json"
                values = {"topic": source_topic(path), "time": time, "first": first}
                with duckdb.connect() as connection:
                    connection.register("rows", rows)
                    # COPY takes no bound file name; this one is made of numbers and our folder.
                    connection.execute(_STAGE.format(path=str(target).replace("'", "''")), values)
    return kept


def run_batch(
    settings: Settings,
    names: list[str],
    paths: Sequence[str | Path],
    *,
    form: str = "trades",
    output: Path | None = None,
    read_at: datetime | None = None,
    again: bool = False,
    progress: Progress = lambda _: None,
) -> int:
    """Run jobs over files to their end: tables in the lake, topics as JSON lines under `output`.

    Parameters
    ----------
    settings
        The settings in force; ``lake`` says where the tables are.
    names
        Jobs of the registry, run one after the other over the same files.
    paths, form
        The files and their format: ``trades``, ``marketdata``, ``orderbook`` or ``binance``.
    output
        Folder that gets a subfolder per job and topic sink; the ``part-*`` files of an earlier
        run are replaced, anything else stays. None drops what would go to topics.
    read_at
        The time of reading, against which future times are judged; now when None.
    again
        Land files that have been landed before once more: their rows then count twice.
    progress
        Told what is going on.

    Returns
    -------
    int
        How many records were read.

    Raises
    ------
    UsageError
        For an unknown job, a missing file, an unknown format, a file without records or one that
        was landed before, or an `output` that cannot be used.
    StackError
        When a table is missing or a job fails.
    """
    jobs = [job_named(name) for name in dict.fromkeys(names)]
    if output is not None:
        _check_output(output, [job.name for job in jobs])
    catalog = load_catalog(settings)
    absent = sorted({t for job in jobs for t in job.tables if load_table(catalog, t) is None})
    if absent:
        raise StackError(
            "no table " + ", ".join(absent), hint="make them with `workbench tables apply`"
        )
    if not again:
        _check_new(catalog, jobs, paths)
    scratch = settings.stack_folder / "batch"
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch) as work:
        staged = Path(work) / "staged"
        staged.mkdir()
        tally = Tally()
        wanted = {staged_topic(topic) for job in jobs for topic in job.sources}
        count = stage(paths, form, staged, wanted=wanted, read_at=read_at, tally=tally)
        for line in tally.lines():
            progress(line)
        if not count:
            raise UsageError(
                f"no record for {', '.join(names)} in {', '.join(map(str, paths))}",
                hint=f"is it --format {form}?",
            )
        progress(f"{count:,} records staged")
        written = Path(work) / "out"
        request = {
            "command": "batch",
            "jobs": [
                {"name": job.name, "deployment": deployment(settings, job.name, kafka=False)}
                for job in jobs
            ],
            "staged": str(staged),
            "output": str(written),
            "work": work,
        }
        for answer in ask(settings, request, heap_mb=HEAP_MB):
            progress(f"{answer['job']}: done")
        if output is not None:
            _keep(written, output)
    return count
