"""A run is for ever: it is found again, repeated, compared and dropped, and says what changed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import workbench
from tests.unit.lake_rows import at, trade, trades
from workbench.cli.report import command
from workbench.config import Settings, load_settings
from workbench.errors import LakeError, UsageError, ValidationFailed
from workbench.lake.catalog import load_catalog
from workbench.lake.maintenance.compact import compact
from workbench.lake.maintenance.expire import expire
from workbench.lake.maintenance.orphans import orphans
from workbench.lake.session import open_session
from workbench.lake.tables import apply
from workbench.lake.write import append
from workbench.reports import code
from workbench.reports.cache import earlier_run
from workbench.reports.compare import Comparison, compare
from workbench.reports.pruning import Pruned, prune
from workbench.reports.rerunning import Rerun, rerun
from workbench.reports.runner import run_report
from workbench.reports.runs import ReportRun, find_run, list_runs
from workbench.reports.tags import pin_for_ever, tags_of_runs
from workbench.reports.template import new_report
from workbench.reports.trends import trend
from workbench.reports.verify import Finding, verify

TRADES = "market.trades"
AS_OF = {"as_of": "2024-08-08"}


def refs(settings: Settings) -> dict[str, int]:
    metadata = load_catalog(settings).load_table(TRADES).metadata
    return {name: ref.snapshot_id for name, ref in metadata.refs.items() if name != "main"}


def land(settings: Settings, *rows: dict[str, Any]) -> None:
    append(settings, TRADES, trades(rows))


@dataclass
class Story:
    """What happened to one desk: two runs, maintenance between them, reruns, a pruning."""

    settings: Settings
    first: ReportRun
    again: ReportRun
    second: ReportRun
    comparison: Comparison
    same: Rerun
    files_before: set[str]
    files_after: set[str]
    edited: Rerun
    as_run: Rerun
    found: list[Finding]
    tags: dict[str, int] = field(default_factory=dict)


def data_files(settings: Settings) -> set[str]:
    folder = load_catalog(settings).load_table(TRADES).location().removeprefix("file://")
    return {file.name for file in Path(folder).rglob("*.parquet")}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    project = tmp_path_factory.mktemp("desk")
    (project / "workbench.toml").write_text("")
    settings = load_settings(project)
    apply(settings)
    for number in range(4):
        land(settings, trade(number, symbol=["AAPL", "KO"][number % 2]))
    notebook = new_report(settings, "my_day", 'A "desk\'s" day')
    first = run_report(settings, "my_day", AS_OF)
    again = run_report(settings, "my_day", AS_OF)
    tags = refs(settings)
    files_before = data_files(settings)
    land(settings, trade(9, symbol="KO", quantity="2.5"), trade(10, symbol="XOM"))
    second = run_report(settings, "my_day", AS_OF)
    snapshot = int(str(second.summary["snapshots"][TRADES]))
    table = load_catalog(settings).load_table(TRADES)
    table.manage_snapshots().create_tag(snapshot, "report-of-mine").commit()
    compact(settings, [TRADES])
    expire(settings, [TRADES], older_than=timedelta(0))
    orphans(settings, [TRADES], older_than=timedelta(0), delete=True, force=True)
    same = rerun(settings, first.id)
    found = verify(settings, first)
    kept = notebook.read_text()
    notebook.write_text(
        kept.replace("sum(quantity) AS volume", "2 * sum(quantity) AS volume").replace(
            "sum(notional(price, quantity)) AS", "1 + sum(notional(price, quantity)) AS"
        )
    )
    edited = rerun(settings, first.id)
    as_run = rerun(settings, first.id, notebook="as-run")
    notebook.write_text(kept)
    comparison = compare(first.summary, second.summary)
    return Story(
        settings, first, again, second, comparison, same, files_before, data_files(settings),
        edited, as_run, found, tags,
    )  # fmt: skip


# ---------------------------------------------------------------- what a run keeps


def test_a_run_records_what_it_stands_on(story: Story) -> None:
    told = story.first.summary
    story.first.raise_for_checks()
    assert told["title"] == 'A "desk\'s" day'
    assert told["read"] == [TRADES]
    assert told["figures"] == [
        {"name": "executions", "value": 4, "unit": "executions"},
        {"name": "notional", "value": "400", "unit": "quote currency"},
    ]
    [table] = told["tables"]
    assert table["key"] == ["symbol"] and table["row_count"] == 2
    assert table["rows"][0] == {"symbol": "AAPL", "executions": 2, "notional": "200"}
    code = told["code"]
    assert "workbench/reports/second_path.py" in code["files"]
    assert not any(name.startswith("workbench/cli") for name in code["files"])
    assert {"duckdb", "polars", "python"} <= told["versions"].keys()
    assert told["freshness"]["grade"] == "degraded"
    assert told["freshness"]["words"] == "degraded: market.trades ends 11 h before the as-of"
    assert "degraded: market.trades ends" in story.first.html.read_text()


def test_what_has_not_changed_is_not_run_again(story: Story) -> None:
    assert story.again.cached and story.again.id == story.first.id
    assert not story.first.cached and not story.second.cached


def test_what_has_changed_is_run_again(
    story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = story.settings.project / "notebooks" / "my_day.ipynb"
    edited = tmp_path / source.name
    edited.write_text(source.read_text().replace("sum(quantity)", "2 * sum(quantity)"))
    parameters = story.second.summary["parameters"]
    with open_session(story.settings) as session:
        pins = session.pins

    def found(source: Path = source, grade: str = "degraded", **changed: Any) -> str | None:
        given = {**parameters, **changed}
        run = earlier_run(story.settings, "my_day", source, given, pins, grade)
        return run.id if run else None

    # Compaction came after it: a snapshot of its own, and the same rows.
    assert pins[TRADES].snapshot_id != story.second.summary["snapshots"][TRADES]
    assert found() == story.second.id
    assert found(as_of="2024-08-08T12:00:00+00:00") is None
    assert found(edited) is None
    assert found(grade="stale") is None
    digest = code._digest
    for name in ("second_path.py", "symbols.csv"):
        with monkeypatch.context() as patch:
            patch.setattr(
                code, "_digest", lambda file, name=name: file.name != name and digest(file)
            )
            assert found() is None
    monkeypatch.setattr(code, "version", lambda name: "0.0")
    assert found() is None


def test_every_snapshot_of_a_run_is_tagged(story: Story) -> None:
    tag = f"report-my_day-{story.first.id}"
    assert story.tags == {tag: int(story.first.summary["snapshots"][TRADES])}
    assert story.first.summary["tag"] == tag
    assert story.first.summary["tagged"] == [
        name for name, snapshot in story.first.summary["snapshots"].items() if snapshot
    ]


def test_a_kept_run_is_checked_whole(story: Story) -> None:
    assert {finding.kind for finding in story.found} == {"file", "figures", "check", "snapshot"}
    assert [finding for finding in story.found if not finding.passed] == []


@pytest.mark.parametrize(
    ("file", "old", "new", "wrong"),
    [
        ("report.html", "400", "401", ["report.html"]),
        (
            "report.json",
            '"value": "400"',
            '"value": "500"',
            ["report.json", "notebook.ipynb", "notional"],
        ),
        ("symbols.csv", None, None, ["symbols.csv"]),
    ],
)  # fmt: skip
def test_a_run_that_was_tampered_with_is_noticed(
    story: Story, tmp_path: Path, file: str, old: str | None, new: str, wrong: list[str]
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    for each in story.first.folder.iterdir():
        (folder / each.name).write_bytes(each.read_bytes())
    if old is None:
        (folder / file).unlink()
    else:
        text = (folder / file).read_text()
        assert old in text
        (folder / file).write_text(text.replace(old, new, 1 if file == "report.json" else -1))
    if file == "report.json":
        # The value of the check goes with the figure.
        text = (folder / file).read_text()
        at_check = text.index('"value": "400"')
        (folder / file).write_text(text[:at_check] + text[at_check:].replace("400", "500", 1))
    tampered = ReportRun(folder, json.loads((folder / "report.json").read_text()))
    found = [finding.name for finding in verify(story.settings, tampered) if not finding.passed]
    assert found == wrong


# ---------------------------------------------------------------- rerun


def test_a_rerun_gives_the_same_numbers_after_more_data_compaction_and_expiry(story: Story) -> None:
    # The files of the first run were replaced by compaction, and kept for its tag.
    assert story.files_before <= story.files_after
    assert story.same.comparison.same and not story.same.comparison.causes()
    assert story.same.comparison.identical == (
        "figure executions",
        "figure notional",
        "table most traded",
    )
    story.same.raise_for_changes()
    with open_session(story.settings) as session:
        assert session.sql(f"SELECT count(*) FROM {TRADES}").rows() == [(6,)]


def test_a_rerun_names_each_number_that_differs_and_that_the_code_did(story: Story) -> None:
    every = story.edited.comparison.changes
    changes = {(c.name, c.where): c for c in every if c.kind != "check"}
    notional = changes["notional", ""]
    assert (notional.before, notional.after) == ("400", "402")
    assert (notional.absolute, notional.relative) == (Decimal(2), 0.005)
    assert changes["most traded", "KO, notional"].after == "201"
    # The second path was not edited: the check says so, too.
    assert [(c.name, c.after) for c in every if c.kind == "check"] == [("notional", "FAILED")]
    assert story.edited.comparison.causes() == ["code"]
    assert story.edited.comparison.code == ("the notebook",)
    with pytest.raises(ValidationFailed, match=r"400 is now 402.*changed since: code.*as-run"):
        story.edited.raise_for_changes()


def test_the_kept_notebook_still_gives_the_kept_numbers(story: Story) -> None:
    assert story.as_run.comparison.same
    assert story.as_run.notebook == "as-run"


# ---------------------------------------------------------------- diff, history, trend


def test_a_diff_says_what_changed_by_how_much_and_why(story: Story) -> None:
    found = story.comparison
    assert found.causes() == ["data"]
    assert repr(found).endswith("identical; behind them differs: data>")
    [data] = found.data
    assert (data["table"], data["rows_before"], data["rows_after"]) == (TRADES, 4, 6)
    changes = {(c.name, c.where): c for c in found.changes}
    assert changes["executions", ""].absolute == 2
    assert changes["notional", ""].relative == pytest.approx(0.875)
    assert changes["most traded", "KO, notional"].absolute == Decimal(250)
    assert changes["most traded", "XOM"].what == "added"
    assert ("most traded", "AAPL, notional") not in changes


def test_rows_that_a_key_does_not_tell_apart_are_compared_one_by_one() -> None:
    def run(*rows: dict[str, Any]) -> dict[str, Any]:
        table = {"name": "t", "key": ["symbol"], "row_count": len(rows), "sha256": str(rows)}
        nothing: dict[str, Any] = {"figures": [], "checks": []}
        nothing |= {"snapshots": {}, "versions": {}, "parameters": {}}
        return {"run": "r", "tables": [{**table, "rows": list(rows)}], **nothing}

    def row(symbol: str, value: str) -> dict[str, Any]:
        return {"symbol": symbol, "value": value}

    found = compare(
        run(row("KO", "1"), row("KO", "2"), row("XOM", "1e9999999")),
        run(row("KO", "9"), row("KO", "3"), row("XOM", "4"), row("KO", "5")),
    ).changes
    assert [(one.where, one.before, one.after, one.what) for one in found] == [
        ("KO, value", "1", "9", "changed"),
        ("KO (2), value", "2", "3", "changed"),
        ("XOM, value", "1e9999999", "4", "changed"),
        ("KO (3)", None, "value 5", "added"),
    ]


def test_the_history_is_a_view_for_sessions(story: Story) -> None:
    asked = (
        "SELECT run, verdict, checks, list_sum(list_transform(figures, f -> f.value)), "
        f"snapshots['{TRADES}'] FROM ops.report_runs WHERE name = 'my_day' ORDER BY run"
    )
    with open_session(story.settings, read_only=True) as session:
        rows = session.sql(asked).rows()
        listed = session.tables().arrow()["table"].to_pylist()
    assert [row[:4] for row in rows] == [
        (story.first.id, "passed", 2, 404.0),
        (story.second.id, "passed", 2, 756.0),
    ]
    assert rows[0][4] == story.first.summary["snapshots"][TRADES]
    assert "ops.report_runs" in listed


def test_the_history_of_no_runs_has_no_rows(lake: Settings) -> None:
    with open_session(lake, read_only=True) as session:
        assert session.sql("SELECT * FROM ops.report_runs").rows() == []


def test_a_figure_over_its_runs(story: Story) -> None:
    every = trend(story.settings, "my_day", "notional", all_runs=True)
    assert [row[1:3] for row in every.rows()] == [(400.0, "400"), (750.0, "750")]
    # Both are of one as-of: the newest stands for it.
    newest = workbench.reports.trend("my_day", "notional", settings=story.settings)
    assert [row[1] for row in newest.rows()] == [750.0]
    assert newest.units == {"value": "quote currency"}
    with pytest.raises(UsageError, match="did you mean 'notional'"):
        trend(story.settings, "my_day", "notionl")


def kept_run(settings: Settings, day: int, value: int, **parameters: Any) -> str:
    """Keep a run of portfolio of this day of January, as a release before had written it."""
    moment = f"2024-01-{day:02}T12:00:00+00:00"
    number = len(list_runs(settings)) + 1
    folder = settings.project / "reports" / "portfolio" / "x" / f"202401{number:02}T000000Z-aaaaaa"
    folder.mkdir(parents=True)
    told = {
        "name": "portfolio", "title": "Portfolio", "run": folder.name, "as_of": moment,
        "started_at": moment, "verdict": "passed", "checks": [], "snapshots": {}, "tag": None,
        "figures": [{"name": "profit", "value": value, "unit": "quote currency"}],
        "parameters": {"as_of": moment, **parameters},
    }  # fmt: skip
    (folder / "report.json").write_text(json.dumps(told))
    return folder.name


def values_of(settings: Settings, **options: Any) -> list[tuple[float, str | None]]:
    found = trend(settings, "portfolio", "profit", **options)
    return [(row[1], row[7]) for row in found.rows()]


def test_a_trend_is_of_one_account_and_not_of_all(settings: Settings) -> None:
    for day in (1, 2, 3):
        kept_run(settings, day, 100 + day, account_id="a", days=30, every="1d")
        kept_run(settings, day, 900 + day, account_id="b", days=30, every="1d")
    kept_run(settings, 3, 555, account_id="b", days=7, every="1d")
    # Older than a parameter, which it had as the default.
    kept_run(settings, 4, 904, account_id="b", days=30)
    assert values_of(settings) == [(901, None), (902, None), (903, None), (904, None)]
    assert trend(settings, "portfolio", "profit").caption == (
        "profit of portfolio over its runs, account_id = b; days = 30; "
        "4 runs with other parameters left out"
    )
    assert values_of(settings, parameters={"account_id": "a"}) == [
        (101, None), (102, None), (103, None),
    ]  # fmt: skip
    # What is not asked for may differ, and is shown where it does.
    assert values_of(settings, parameters={"account_id": "b"}) == [
        (901, "days = 30"), (902, "days = 30"), (903, "days = 30"), (555, "days = 7"),
        (904, "days = 30"),
    ]  # fmt: skip
    assert values_of(settings, parameters={"days": "7"}) == [(555, None)]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"account_id": "acc-1"}, "no run of portfolio with account_id = acc-1 .*mean 'ACC-1'"),
        ({"account": "ACC-1"}, "no parameter 'account': did you mean 'account_id'"),
        ({"days": "many"}, "parameter days"),
        ({"account_id": "ACC-1", "days": 7}, "account_id = ACC-1; days = 7 has the figure"),
        ({"as_of": "2024-01-01"}, "as_of tells no series from another"),
    ],
)
def test_a_trend_of_what_was_never_run_names_the_nearest(
    settings: Settings, asked: dict[str, Any], expected: str
) -> None:
    kept_run(settings, 1, 1, account_id="ACC-1", days=30)
    kept_run(settings, 1, 1, account_id="ACC-9", days=7)
    with pytest.raises(UsageError, match=expected):
        trend(settings, "portfolio", "profit", asked)


def test_the_command_shows_parameters_where_they_differ(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_PROJECT", str(settings.project))
    for day, account in enumerate("aabb", 1):
        kept_run(settings, day, day, account_id=account)
    plain = CliRunner().invoke(command, ["trend", "portfolio", "profit"])
    assert "account_id" not in plain.stdout
    assert "account_id = b; 2 runs with other parameters left out" in plain.stderr
    asked = ["trend", "portfolio", "profit", "-p", "days=30"]
    assert CliRunner().invoke(command, asked).stdout.count("account_id = a") == 2
    [_, row] = json.loads(CliRunner().invoke(command, [*asked[:3], "--json"]).stdout)
    assert (row["value"], row["parameters"]) == (4.0, None)


def test_the_commands(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_PROJECT", str(story.settings.project))
    cli = CliRunner()

    def said(*arguments: str) -> str:
        result = cli.invoke(command, list(arguments))
        assert result.exit_code == 0, result.exception
        return result.output

    assert "not run again" in said("run", "my_day", "-p", "as_of=2024-08-08")
    shown = said("diff", "my_day~1", "my_day")
    assert said("diff", "my_day") == shown
    assert repr(story.second).startswith(f"<Run {story.second.id} of my_day, as of 2024-08-08")
    assert "passed, 2 of 2 checks hold" in repr(story.second)
    assert "350" in shown and "+87.5000%" in shown and "data        market.trades" in shown
    assert json.loads(said("diff", "my_day~1", "my_day", "--json"))["causes"] == ["data"]
    assert "750" in said("trend", "my_day", "notional")
    assert "FAILED" not in said("check", "my_day~1")
    assert "list of string" in said("show", "my_day", "--parameters")
    assert "would drop" in said("prune", "--keep", "1", "--dry-run")
    assert len(list_runs(story.settings, "my_day")) == 2


# ---------------------------------------------------------------- prune


def pruned(story: Story, **options: Any) -> list[Pruned]:
    return prune(story.settings, **options)


def test_pruning_drops_old_runs_with_their_tags_and_nothing_else(story: Story) -> None:
    before = refs(story.settings)
    assert len(before) == 3
    assert pruned(story, older_than=timedelta(days=1), keep=1) == []
    [would] = pruned(story, keep=1, dry_run=True)
    assert would.run == story.first.id and refs(story.settings) == before
    # A tag of a run that nobody has here, and one that only looks a little like it.
    stray = "report-my_day-20240101T000000Z-abcdef"
    snapshots = {TRADES: str(before["report-of-mine"])}
    pin_for_ever(story.settings, stray, snapshots)
    pin_for_ever(story.settings, "report-2024-08-08", snapshots)
    no_moment = "report-x-20241399T000000Z-abcdef"
    pin_for_ever(story.settings, no_moment, snapshots)
    [done, left] = pruned(story, keep=1)
    assert (done.outcome, done.run, left.outcome) == ("dropped", story.first.id, "no run")
    mine = {"report-of-mine", "report-2024-08-08", no_moment, f"report-my_day-{story.second.id}"}
    assert set(refs(story.settings)) == {*mine, stray}
    assert [run.id for run in list_runs(story.settings)] == [story.second.id]
    assert not story.first.folder.exists()
    pruned(story, stray_tags=True)
    assert set(refs(story.settings)) == mine
    assert {tag.run for tag in tags_of_runs(story.settings)} == {story.second.id}
    # And what no tag keeps any more goes with the next expiry.
    expire(story.settings, [TRADES], older_than=timedelta(0))
    with pytest.raises(LakeError, match="has no snapshot"):
        open_session(story.settings, snapshots=story.first.summary["snapshots"])


def test_nights_that_failed_do_not_push_out_the_last_good_run(lake: Settings) -> None:
    nights = ["passed", "passed", "failed", "error", "failed", "error", "error"]
    for day, verdict in enumerate(nights, 1):
        began = f"2024-01-0{day}T00:00:00+00:00"
        folder = lake.project / "reports" / "my_day" / "x" / f"2024010{day}T000000Z-aaaaaa"
        folder.mkdir(parents=True)
        told = {"name": "my_day", "run": folder.name, "started_at": began, "verdict": verdict}
        (folder / "report.json").write_text(json.dumps({**told, "tag": None}))

    def left(keep: int) -> list[int]:
        gone = {each.run for each in prune(lake, keep=keep, dry_run=True)}
        return [int(r.id[7]) for r in reversed(list_runs(lake)) if r.id not in gone]

    assert left(1) == [2, 5, 6, 7]
    assert left(2) == [2, 3, 4, 5, 6, 7]
    assert left(4) == [1, 2, 3, 4, 5, 6, 7]


def test_runs_are_counted_of_each_account_by_itself(settings: Settings) -> None:
    for day in range(1, 5):
        kept_run(settings, day, 1, account_id="daily", raw_counts={"raw.trades": day})
    rare = kept_run(settings, 1, 1, account_id="rare")
    for day in range(5, 9):
        kept_run(settings, day, 1, account_id="daily", raw_counts={"raw.trades": day})
    gone = [each.run for each in prune(settings, keep=2)]
    assert len(gone) == 6 and rare not in gone
    left = [run.summary["parameters"]["account_id"] for run in list_runs(settings)]
    assert left == ["daily", "daily", "rare"]


def tagged(settings: Settings) -> ReportRun:
    """A kept run with a tag at a table, as a run makes one."""
    land(settings, trade(1))
    run = kept_run(settings, 1, 1)
    [kept] = list_runs(settings)
    told = {**kept.summary, "tag": f"report-portfolio-{run}"}
    (kept.folder / "report.json").write_text(json.dumps(told))
    with open_session(settings) as session:
        pin_for_ever(settings, told["tag"], {TRADES: session.snapshots[TRADES]})
    return kept


def test_a_pruning_that_was_cut_off_is_ended_by_the_next_one(
    lake: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tagged(lake)

    def cut_off(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    for name in ("drop_tags", "_remove", "shutil.rmtree"):
        with monkeypatch.context() as patch:
            patch.setattr(f"workbench.reports.pruning.{name}", cut_off)
            with pytest.raises(KeyboardInterrupt):
                prune(lake, keep=0)
        # No tag is left of which no folder tells.
        assert kept.folder.exists() or not refs(lake)
    prune(lake, keep=0)
    assert refs(lake) == {}
    assert [each for each in (lake.project / "reports").rglob("*") if each.is_file()] == []


def test_a_lake_that_does_not_answer_keeps_runs_and_tags(lake: Settings) -> None:
    kept = tagged(lake)
    metadata = Path(load_catalog(lake).load_table(TRADES).metadata_location[len("file://") :])
    whole = metadata.read_bytes()
    metadata.write_bytes(whole[:100])
    with pytest.raises(LakeError, match=r"its metadata file .* cannot be read"):
        prune(lake, keep=0)
    assert kept.folder.exists()
    metadata.write_bytes(whole)
    assert [each.outcome for each in prune(lake, keep=0)] == ["dropped"]
    assert refs(lake) == {}


def test_where_the_lake_was_removed_its_runs_may_go(settings: Settings) -> None:
    kept_run(settings, 1, 1)
    assert [each.outcome for each in prune(settings, keep=0)] == ["dropped"]
    assert list_runs(settings) == []


def test_prune_needs_to_know_what_is_old(lake: Settings) -> None:
    with pytest.raises(UsageError, match="nothing says which runs are old"):
        prune(lake)


def test_a_run_that_stopped_cannot_be_compared(lake: Settings) -> None:
    folder = lake.project / "reports" / "my_day" / "x" / "20240101T000000Z-aaaaaa"
    folder.mkdir(parents=True)
    told = {"name": "my_day", "run": folder.name, "error": "ValueError: x"}
    (folder / "report.json").write_text(json.dumps(told))
    with pytest.raises(UsageError, match="stopped with an error"):
        rerun(lake, find_run(lake, "my_day").id)


def test_tags_are_made_while_others_commit(lake: Settings) -> None:
    from concurrent.futures import ThreadPoolExecutor

    land(lake, trade(1))
    with open_session(lake) as session:
        snapshots = {TRADES: session.snapshots[TRADES]}
    with ThreadPoolExecutor(4) as pool:
        tags = [f"report-x-20240101T00000{n}Z-abcdef" for n in range(4)]
        done = [pool.submit(pin_for_ever, lake, tag, snapshots) for tag in tags]
        more = [pool.submit(land, lake, trade(n, event_time=at(n))) for n in range(2, 5)]
        for each in [*done, *more]:
            each.result()
    assert set(refs(lake)) == set(tags)
