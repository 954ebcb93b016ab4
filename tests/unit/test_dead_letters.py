"""Dead letters as the lake has them: ids, states, mending, and text that is safe to look at."""

from __future__ import annotations

import json
import unicodedata
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.lake_rows import NOON, at, rows_of
from workbench.broker.clients import topic_name
from workbench.cli.dlq import command
from workbench.config import Settings
from workbench.contracts.reader import original_value
from workbench.contracts.records import ORIGINAL_VALUE_CHARACTERS, TRADE_EVENT
from workbench.contracts.strict_json import Number, parse_json
from workbench.dead_letters import (
    Letter,
    LetterId,
    Selection,
    count_by_reason,
    find,
    letters,
    plan,
    transaction,
)
from workbench.dead_letters.edit import compact, parse_assignment, set_fields
from workbench.dead_letters.export import read_values
from workbench.dead_letters.ids import parse_id
from workbench.dead_letters.letters import find_named
from workbench.dead_letters.original import Original, begins_as, from_letter
from workbench.dead_letters.replay import _still_pending
from workbench.dead_letters.show import describe
from workbench.errors import StackError, UsageError
from workbench.lake.session import open_session
from workbench.lake.write import append
from workbench.terminal import escape

GOOD = {
    "trade_id": "T1", "order_id": "O1", "symbol": "AAPL", "side": "BUY", "quantity": 1,
    "price": 10, "status": "FILLED", "timestamp_ms": 1_717_420_000_000,
}  # fmt: skip
TEXT = json.dumps({**GOOD, "price": -1})
WHERE = LetterId("raw.trades", 0, 7, "landing")


def letter(**values: Any) -> Letter:
    """A refused price of raw.trades/0/7."""
    return Letter(
        **{
            "id": WHERE,
            "topic": "dlq.processing-errors",
            "error_type": "not-positive",
            "error_message": "price: -1 is not above zero",
            "original_value": TEXT,
            "failed_at": at(0),
            **values,
        }
    )


def refused(offset: int, failed_at: datetime = NOON, **values: Any) -> dict[str, Any]:
    """One row of ops.dead_letters."""
    return {
        "topic": "dlq.processing-errors",
        "original_value": TEXT,
        "error_type": "not-positive",
        "error_message": "price: -1 is not above zero",
        "source_topic": "raw.trades",
        "source_partition": 0,
        "source_offset": offset,
        "job": "landing",
        "failed_at": failed_at,
        **values,
    }


def mark(offset: int, state: str, run: str = "r1", **values: Any) -> dict[str, Any]:
    """One row of ops.dead_letter_replays."""
    return {
        "run_id": run,
        "state": state,
        "source_topic": "raw.trades",
        "source_partition": 0,
        "source_offset": offset,
        "job": "landing",
        "failed_at": at(0),
        "edited": False,
        "to_topic": "raw.trades",
        "to_partition": 1 if state == "sent" else None,
        "to_offset": 40 + offset if state == "sent" else None,
        "replayed_at": at(60),
        **values,
    }


def land(lake: Settings, table: str, *rows: dict[str, Any]) -> None:
    append(lake, table, rows_of(table, rows))


def states(lake: Settings) -> dict[str, str]:
    with open_session(lake) as session:
        return {str(each.id): each.state for each in find(session)}


# ---------------------------------------------------------------- ids


@given(
    topic=st.text(min_size=1),
    partition=st.integers(0, 2**31 - 1),
    offset=st.integers(0, 2**63 - 1),
    job=st.none() | st.from_regex(r"[a-z][a-z0-9-]*", fullmatch=True),
)
def test_an_id_that_is_written_is_read_again(
    topic: str, partition: int, offset: int, job: str | None
) -> None:
    known = LetterId(topic, partition, offset, job)
    assert parse_id(str(known)) == known


@pytest.mark.parametrize(
    "text", ["", "raw.trades", "raw.trades/0", "raw.trades/0/x", "/0/1", "t/٣/1"]
)
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not the id of a dead letter"):
        parse_id(text)


# ---------------------------------------------------------------- states


def test_a_letter_is_pending_until_it_was_sent(lake: Settings) -> None:
    land(lake, "ops.dead_letters", refused(1), refused(2), refused(3), refused(4))
    land(lake, "ops.dead_letter_replays", mark(1, "intended"), mark(1, "sent"))
    land(lake, "ops.dead_letter_replays", mark(2, "intended", "r2"))
    land(lake, "ops.dead_letter_replays", mark(3, "intended", "r3"), mark(3, "failed", "r3"))
    assert states(lake) == {
        "raw.trades/0/1@landing": "replayed",
        "raw.trades/0/2@landing": "unclear",
        "raw.trades/0/3@landing": "pending",
        "raw.trades/0/4@landing": "pending",
    }
    with open_session(lake) as session:
        assert count_by_reason(session) == [("not-positive", 2, 1, 1, at(0))]
        (sent,) = find(session, Selection(state="replayed"))
    assert (sent.replayed_to, sent.replayed_at, sent.replays) == ("raw.trades/1/41", at(60), 1)


def test_what_was_sent_again_takes_no_place_of_what_was_not(
    lake: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(lake, "ops.dead_letters", refused(1), refused(2, at(10)), refused(3, at(20)))
    sent = [mark(3, "intended", failed_at=at(20)), mark(3, "sent", failed_at=at(20))]
    land(lake, "ops.dead_letter_replays", *sent)
    monkeypatch.setattr(letters, "MOST_LETTERS", 2)
    with open_session(lake) as session:
        (one,) = find(session, Selection(unsent=True), limit=1)
        assert one.id.offset == 2
        assert [each.id.offset for each in find(session, Selection(unsent=True))] == [2, 1]
        assert count_by_reason(session, Selection(unsent=True)) == [
            ("not-positive", 2, 0, 0, at(10))
        ]
        with pytest.raises(UsageError, match="more than 2 dead letters"):
            find(session)


def test_a_search_for_what_was_sent_ends_where_the_broker_is_silent(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Silent:
        def offsets_for_times(self, asked: list[Any], timeout: float) -> list[Any]:
            return asked

        def assign(self, parts: list[Any]) -> None: ...

        def consume(self, count: int, timeout: float) -> list[Any]:
            return []

        def close(self) -> None: ...

    topics = {topic_name(settings, "raw.trades"): SimpleNamespace(partitions={0: None})}
    known = SimpleNamespace(topics=topics)
    monkeypatch.setattr(transaction, "cluster_metadata", lambda _: known)
    monkeypatch.setattr(transaction, "make_consumer", lambda _: Silent())
    monkeypatch.setattr(transaction, "STUCK_SECONDS", 0.0)
    with pytest.raises(StackError, match=r"raw\.trades cannot be read"):
        transaction.find_sent(settings, "r1", "raw.trades", NOON)


def test_a_letter_of_a_topic_that_was_made_anew_is_another_one(lake: Settings) -> None:
    land(lake, "ops.dead_letters", refused(1), refused(1, at(3600), error_type="wrong-type"))
    land(lake, "ops.dead_letter_replays", mark(1, "intended"), mark(1, "sent"))
    with open_session(lake) as session:
        newer, older = find(session)
        assert (newer.error_type, newer.state) == ("wrong-type", "pending")
        assert (older.error_type, older.state) == ("not-positive", "replayed")
        assert find_named(session, ["raw.trades/0/1"]) == [newer]


def test_an_id_without_a_job_names_the_letter_of_every_job(lake: Settings) -> None:
    land(lake, "ops.dead_letters", refused(1), refused(1, job="router"), refused(2))
    with open_session(lake) as session:
        assert [e.id.job for e in find_named(session, ["raw.trades/0/1"])] == ["landing", "router"]
        assert [e.id.job for e in find_named(session, ["raw.trades/0/1@router"])] == ["router"]
        with pytest.raises(UsageError, match=r"no dead letter 'raw\.trades/0/9'"):
            find_named(session, ["raw.trades/0/9"])


@pytest.mark.parametrize(
    ("chosen", "offsets"),
    [
        ({"job": "router"}, [3]),
        ({"reason": "future-time"}, [2]),
        ({"topic": "raw.marketdata"}, [4]),
        ({"topic": "dlq.deserialization"}, [5]),
        ({"since": "2024-08-09"}, [6]),
        ({"until": "2024-08-08"}, [1, 2, 3, 4, 5]),
        ({"since": at(0, days=1), "until": "2024-08-09"}, [6]),
    ],
)
def test_letters_are_selected(lake: Settings, chosen: dict[str, Any], offsets: list[int]) -> None:
    land(
        lake, "ops.dead_letters",
        refused(1), refused(2, error_type="future-time"), refused(3, job="router"),
        refused(4, source_topic="raw.marketdata"), refused(5, topic="dlq.deserialization"),
        refused(6, at(0, days=1)),
    )  # fmt: skip
    with open_session(lake) as session:
        assert sorted(e.id.offset for e in find(session, Selection(**chosen))) == offsets


def test_a_lake_that_is_older_than_the_marks_has_pending_letters(lake: Settings) -> None:
    from workbench.lake.catalog import load_catalog

    land(lake, "ops.dead_letters", refused(1))
    load_catalog(lake).drop_table("ops.dead_letter_replays")
    assert states(lake) == {"raw.trades/0/1@landing": "pending"}


# ---------------------------------------------------------------- the exact bytes


@given(st.binary(max_size=300))
def test_a_record_begins_as_its_dead_letter(value: bytes) -> None:
    assert begins_as(original_value(value), value)


def test_another_record_at_the_same_place_is_noticed() -> None:
    assert not begins_as(TEXT, json.dumps(GOOD).encode())
    assert not begins_as("a\ufffdb", b"a\xffc")
    assert begins_as("a\ufffdb", b"a\xed\xa0\x80b")  # one U+FFFD or three: engines differ
    assert not begins_as(None, b"null")


@pytest.mark.parametrize(
    ("kept", "why"),
    [
        (None, "a tombstone"),
        ("x" * ORIGINAL_VALUE_CHARACTERS, "only its start"),
        ("a\ufffd", "lacks bytes that are not UTF-8"),
    ],
)
def test_a_text_that_is_not_all_of_a_record_does_not_stand_in(kept: str | None, why: str) -> None:
    found = from_letter(letter(original_value=kept), "Kafka does not hold it any more")
    assert found.value is None
    assert why in found.note


def test_a_text_that_is_all_of_a_record_stands_in() -> None:
    assert from_letter(letter(original_value="é"), "gone").value == "é".encode()


# ---------------------------------------------------------------- mending


def test_what_is_not_set_stays_as_it_was_written() -> None:
    value = b'{"price": -1, "quantity": 1.10, "note": "\\u00e9", "id": 12345678901234567890}'
    mended = set_fields(value, {"price": Number("2.50")})
    assert mended.decode() == '{"price":2.50,"quantity":1.10,"note":"é","id":12345678901234567890}'


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
    max_leaves=20,
)


@given(_JSON)
def test_json_is_written_as_it_was_read(value: Any) -> None:
    assert json.loads(compact(parse_json(json.dumps(value)))) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("price=1.50", Number("1.50")),
        ("trade_id=7", "7"),
        ("symbol=AAPL", "AAPL"),
        ('symbol="AAPL"', "AAPL"),
        ("exchange=null", None),
        ("venue=true", True),
        ("note=a=b", "a=b"),
        ("side=", ""),
    ],
)
def test_a_value_is_typed_as_its_field(text: str, value: Any) -> None:
    name, parsed = parse_assignment(text, TRADE_EVENT)
    assert (name, parsed, type(parsed)) == (text.split("=", maxsplit=1)[0], value, type(value))


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (b"[1]", "no JSON object"),
        (b'{"a"', "no JSON to set"),
        (b"\xff", "no JSON to set"),
        (b'{"a": 1, "a": 2}', "a occurs twice"),
        (b'{"n": {"a": 1, "a": 2}}', "a name twice"),
    ],
)
def test_fields_of_what_is_no_clear_object_are_not_set(value: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        set_fields(value, {"price": "1"})


def test_a_file_of_mended_values(tmp_path: Path) -> None:
    file = tmp_path / "letters.jsonl"
    file.write_text(
        '{"id": "raw.trades/0/1@landing", "value": "{\\"price\\": 1.50}", "error_type": "x"}\n'
        '{"id": "raw.trades/0/2", "value": {"price": 1.50}}\n\n'
        '{"id": "raw.trades/0/3", "value_base64": "/w=="}\n'
        '{"id": "raw.trades/0/4", "problem": "gone"}\n'
    )
    assert {str(key): value for key, value in read_values(file).items()} == {
        "raw.trades/0/1@landing": b'{"price": 1.50}',
        "raw.trades/0/2": b'{"price":1.50}',
        "raw.trades/0/3": b"\xff",
    }


@pytest.mark.parametrize(
    "line", ["oops", "[]", '{"id": "x", "value": "y"}', '{"id": "t/0/1", "value": 5}']
)
def test_a_line_that_is_no_mended_value_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "letters.jsonl"
    file.write_text(f"\n{line}\n")
    with pytest.raises(UsageError, match=r"letters\.jsonl:2: "):
        read_values(file)


# ---------------------------------------------------------------- plans


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Any:
    """Plan one letter, with Kafka holding what is given."""

    def make(
        one: Letter, original: Original | None = None, **options: Any
    ) -> plan.Planned | plan.Skipped:
        held = original or Original(TEXT.encode(), b"AAPL", note="from Kafka", from_kafka=True)
        monkeypatch.setattr(plan, "originals", lambda *_: {one.id.coordinates: held})
        made = plan.make_plan(settings, [one], **options)
        return (*made.planned, *made.skipped)[0]

    return make


def test_a_record_goes_back_as_it_was(planned: Any) -> None:
    found = planned(letter())
    assert (found.topic, found.key, found.value) == ("raw.trades", b"AAPL", TEXT.encode())
    assert not found.edited
    assert found.refusal == "not-positive: price: -1 is not above zero"


def test_a_mended_record_is_accepted_and_keyed_by_what_it_says_now(planned: Any) -> None:
    found = planned(letter(), sets=["price=5", "symbol=MSFT"])
    assert json.loads(found.value) == {**GOOD, "price": 5, "symbol": "MSFT"}
    assert (found.key, found.edited, found.refusal) == (b"MSFT", True, None)


def test_a_key_that_kafka_lost_is_taken_from_the_record(planned: Any) -> None:
    assert planned(letter(), Original(TEXT.encode(), note="from ops.dead_letters")).key == b"AAPL"


@pytest.mark.parametrize(
    ("one", "options", "why"),
    [
        (letter(original_value=None), {}, "a tombstone"),
        (letter(original_value=None), {"values": {WHERE: b"{}"}}, "a tombstone"),
        (
            letter(state="replayed", replayed_to="raw.trades/0/9"),
            {},
            "sent again to raw.trades/0/9",
        ),
        (letter(id=LetterId("file:day.jsonl", 0, 7, "landing")), {}, "--to"),
        (letter(), {"values": {}}, "no value for it in the file"),
        (letter(), {"values": {WHERE: b"x" * 9_000_000}}, "more than a topic takes"),
    ],
)
def test_what_cannot_be_sent_says_why(
    planned: Any, one: Letter, options: dict[str, Any], why: str
) -> None:
    found = planned(one, **options)
    assert isinstance(found, plan.Skipped)
    assert why in found.why


def test_what_was_sent_before_is_sent_again_when_told_to(planned: Any) -> None:
    found = planned(letter(state="replayed", replayed_to="raw.trades/0/9"), again=True)
    assert isinstance(found, plan.Planned)


def test_a_duplicate_is_sent_only_where_it_is_asked_for(planned: Any) -> None:
    one = letter(error_type="duplicate", error_message="came before")
    found = planned(one)
    assert isinstance(found, plan.Skipped)
    assert "would land twice" in found.why
    assert isinstance(planned(one, duplicates=True), plan.Planned)


@pytest.mark.parametrize(
    ("chosen", "sent"),
    [
        (("--all",), ["raw.trades/0/7"]),
        (("--job", "landing"), ["raw.trades/0/7"]),
        (("--edit",), ["raw.trades/0/7"]),
        (("--reason", "duplicate"), ["raw.trades/0/8"]),
        (("raw.trades/0/8",), ["raw.trades/0/8"]),
        (("raw.trades/0/7", "raw.trades/0/8", "--edit"), ["raw.trades/0/7", "raw.trades/0/8"]),
    ],
)
def test_all_that_is_pending_leaves_duplicates_out(
    lake: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    chosen: tuple[str, ...], sent: list[str],
) -> None:  # fmt: skip
    land(lake, "ops.dead_letters", refused(7), refused(8, error_type="duplicate"))
    held = {("raw.trades", 0, offset): Original(TEXT.encode(), b"AAPL") for offset in (7, 8)}
    monkeypatch.setattr(plan, "originals", lambda *_: held)
    file = tmp_path / "letters.jsonl"
    # As `dlq list --export` writes all of them.
    lines = [{"id": f"raw.trades/0/{offset}@landing", "value": TEXT} for offset in (7, 8)]
    file.write_text("\n".join(map(json.dumps, lines)))
    arguments = [*chosen, *([str(file)] if chosen[-1] == "--edit" else [])]
    shown = run(lake, monkeypatch, "replay", *arguments, "--dry-run", "--json").stdout
    found = json.loads(shown)
    assert sorted(each["record"] for each in found["would_send"]) == sent
    skipped = {each["id"]: each["why"] for each in found["skipped"]}
    assert all("--reason duplicate" in why for why in skipped.values())
    selected = 1 if chosen in (("--reason", "duplicate"), ("raw.trades/0/8",)) else 2
    assert len(sent) + len(skipped) == selected


def test_as_many_letters_as_are_taken_at_once_are_looked_up_again(lake: Settings) -> None:
    """Each by its id: compared with one another, they would take the better part of an hour."""
    ids = [LetterId("raw.trades", 0, n, "landing") for n in range(letters.MOST_LETTERS)]
    land(lake, "ops.dead_letters", *(refused(each.offset) for each in ids))
    # Half of them somebody has sent since they were planned.
    sent = [mark(each.offset, "sent") for each in ids if each.offset % 2]
    land(lake, "ops.dead_letter_replays", *sent)
    planned = [
        plan.Planned((letter(id=each),), "raw.trades", None, b"{}", edited=False, refusal=None)
        for each in ids
    ]
    ready, late = _still_pending(lake, tuple(planned))
    assert [each.letters[0].id for each in ready] == ids[::2]
    assert [each.letter.id for each in late] == ids[1::2]


def test_letters_of_one_record_are_one_message(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    both = [letter(), letter(id=LetterId("raw.trades", 0, 7, "router"))]
    monkeypatch.setattr(plan, "originals", lambda *_: {both[0].id.coordinates: Original(b"{}")})
    (only,) = plan.make_plan(settings, both).planned
    assert list(only.letters) == both


# ---------------------------------------------------------------- to look at


@given(st.text())
def test_what_is_shown_moves_no_cursor_and_turns_no_text(text: str) -> None:
    shown = escape(text)
    assert not any(unicodedata.category(c)[0] == "C" for c in shown)
    assert len(shown.splitlines()) <= 1


def test_plain_text_is_shown_as_it_is() -> None:
    assert escape('Zürich "Börse" 株 €') == 'Zürich "Börse" 株 €'


def test_the_failing_field_is_marked() -> None:
    shown = describe(letter(), Original(TEXT.encode(), b"AAPL")).splitlines()
    assert [line for line in shown if line.startswith(">")] == ['>   "price": -1,']


def test_a_missing_field_is_marked_too() -> None:
    gone = letter(error_type="missing-field", error_message="side: missing, expected one of BUY")
    shown = describe(gone, Original(b'{"price": 1}')).splitlines()
    assert shown[-1] == '> ("side" is missing)'


def test_a_hostile_record_is_shown_as_text() -> None:
    hostile = letter(error_message="\x1b]0;owned\x07", error_type="invalid-json")
    shown = describe(hostile, Original(b'\x1b[2J{"a": "\xc2\x9b31m\xe2\x80\xae"', b"\x1b[H\xff"))
    assert not any(unicodedata.category(c)[0] == "C" for c in shown.replace("\n", ""))
    assert r"\x1b[2J" in shown


def test_a_huge_record_is_cut() -> None:
    shown = describe(letter(), Original(json.dumps({"note": "x" * 5_000_000}).encode()))
    assert len(shown) < 25_000
    assert "--export" in shown


# ---------------------------------------------------------------- the command


def run(lake: Settings, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Any:
    monkeypatch.setenv("WORKBENCH_PROJECT", str(lake.project))
    # With colours: click would take away what nobody escaped.
    return CliRunner().invoke(command, list(arguments), color=True)


def test_the_list_counts_by_reason_first(lake: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    land(
        lake, "ops.dead_letters",
        *(refused(n, at(n)) for n in range(25)),
        refused(99, at(99), error_type="\x1b[2J", job="router", error_message="\x1b[H"),
    )  # fmt: skip
    shown = run(lake, monkeypatch, "list", "--limit", "2").output.splitlines()
    assert shown[0].split() == ["error_type", "pending", "unclear", "replayed", "newest"]
    assert shown[2].split()[:4] == ["not-positive", "25", "0", "0"]
    assert [line.split()[0] for line in shown if line.startswith("raw.")] == [
        "raw.trades/0/99@router",
        "raw.trades/0/24@landing",
    ]
    assert shown[-1] == "24 more; --limit shows them"
    assert "\x1b" not in "".join(shown)
    parsed = json.loads(run(lake, monkeypatch, "list", "--json", "--limit", "1").stdout)
    assert [row["pending"] for row in parsed["counts"]] == [25, 1]
    assert parsed["letters"][0]["id"] == "raw.trades/0/99@router"


def test_a_letter_is_shown_without_a_broker(
    lake: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(lake, "ops.dead_letters", refused(7))
    shown = run(lake, monkeypatch, "show", "raw.trades/0/7")
    assert shown.exit_code == 0
    assert '>   "price": -1,' in shown.output
    assert "no broker is running" in shown.output


@pytest.mark.parametrize(
    "arguments", [(), ("--dry-run",), ("raw.trades/0/1", "--all"), ("--set", "price=1")]
)
def test_a_replay_has_to_be_told_of_what(
    lake: Settings, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    found = run(lake, monkeypatch, "replay", *arguments)
    assert isinstance(found.exception, UsageError)
    assert "say which" in str(found.exception)


def test_marks_are_of_the_refusal_they_were_about(lake: Settings) -> None:
    """A record that is refused a second time at its old place is pending again."""
    land(lake, "ops.dead_letters", refused(1), refused(1, at(0) + timedelta(milliseconds=1)))
    land(lake, "ops.dead_letter_replays", mark(1, "intended"), mark(1, "sent"))
    with open_session(lake) as session:
        assert [each.state for each in find(session)] == ["pending", "replayed"]
