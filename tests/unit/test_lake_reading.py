"""Files of the embedded lake are found as whoever wrote them names them."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.lake.reading import LocalFile


@pytest.mark.parametrize("scheme", ["", "file:", "file://"])
def test_a_file_is_read_under_every_name_that_writers_give_it(tmp_path: Path, scheme: str) -> None:
    (tmp_path / "snap.avro").write_bytes(b"four")
    file = LocalFile(f"{scheme}{tmp_path}/snap.avro")
    assert file.exists() and len(file) == 4
    with file.open() as opened:
        assert opened.read() == b"four"
