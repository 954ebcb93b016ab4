"""What a kill leaves: an engine is killed in the middle, started again, and compared."""

from __future__ import annotations

import time
from typing import Any

from bench.flinkjob import RegistryJob
from bench.flinksql import Minutes
from bench.lab import Lab
from bench.outputs import Outputs
from bench.peer import Peer

#: Of the results that are written when the engine is killed.
SHARE = 0.4


def survive(lab: Lab, engine: RegistryJob | Minutes | Peer) -> dict[str, Any]:
    """Kill an engine in the middle; return what was lost and doubled.

    Returns
    -------
    dict
        ``engine``, ``task``, ``lost`` and ``doubled`` results, ``seconds`` from the kill to the
        end, and ``wrong`` where it did not get there.
    """
    row: dict[str, Any] = {"engine": engine.name, "task": engine.task}
    lab.progress(f"{engine.name}: {engine.task}, killed in the middle")
    outputs = Outputs(lab.bootstrap_servers, engine.outputs())
    try:
        engine.start()
        until = time.monotonic() + 120
        while outputs.written(committed=False) < SHARE * engine.expected():
            if time.monotonic() > until:
                raise TimeoutError("it did not write so much")
            time.sleep(0.01)
        killed = time.time()
        engine.crash()
        outputs.wait(engine.expected(), commit=engine.commit, quiet=8.0)
        row["seconds"] = time.time() - killed
    except (RuntimeError, TimeoutError) as error:
        late = engine.late() if isinstance(engine, RegistryJob) else ""
        row["wrong"] = f"{error}{late}"
    finally:
        engine.end()
    row["lost"], row["doubled"] = engine.lost_and_doubled(outputs.read())
    lab.progress(f"  lost {row['lost']:,}, doubled {row['doubled']:,}")
    return row
