"""A TCP proxy that can delay, hold back and reset what passes: a bad network on loopback."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from workbench.stack.ports import HOST

_CHUNK = 1 << 16
#: Chunks on their way in one direction: what the wires of a slow network hold.
_IN_FLIGHT = 256


class Proxy:
    """Passes connections to `port` on to another port.

    Parameters
    ----------
    port
        Loopback port to listen on.
    target
        Gives the port to pass connections on to, asked for each of them.
    """

    def __init__(self, port: int, target: Callable[[], int]) -> None:
        self.port, self._target = port, target
        #: Seconds that each byte is on its way, in both directions.
        self.delay_s = 0.0
        self.connections = 0
        self._loop = asyncio.new_event_loop()
        self._passing = asyncio.Event()
        self._passing.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()
        assert self._listening.wait(10), f"nothing listens on {self.port}"

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(asyncio.start_server(self._serve, HOST, self.port))
        self._listening.set()
        self._loop.run_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            there, back = await asyncio.open_connection(HOST, self._target())
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, back}
        try:
            await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
        except OSError:
            pass
        finally:
            for each in (writer, back):
                self._writers.discard(each)
                each.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one direction on, each chunk when it is due, in order."""
        wire: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_IN_FLIGHT)

        async def take() -> None:
            while True:
                data = await reader.read(_CHUNK)
                await wire.put((self._loop.time() + self.delay_s, data))
                if not data:
                    return

        taking = asyncio.ensure_future(take())
        try:
            while True:
                if taking.done() and taking.exception() is not None:
                    raise ConnectionError from taking.exception()
                try:
                    due, data = await asyncio.wait_for(wire.get(), 1)
                except TimeoutError:
                    continue
                await asyncio.sleep(max(0.0, due - self._loop.time()))
                await self._passing.wait()
                if not data:
                    if writer.can_write_eof():
                        writer.write_eof()
                    return
                writer.write(data)
                await writer.drain()
        finally:
            taking.cancel()

    @contextmanager
    def cut(self) -> Iterator[None]:
        """Let nothing pass during the block; connections stay open, as behind a pulled cable."""
        self._loop.call_soon_threadsafe(self._passing.clear)
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(self._passing.set)

    @contextmanager
    def delayed(self, seconds: float) -> Iterator[None]:
        """Let everything take longer during the block."""
        self.delay_s = seconds
        try:
            yield
        finally:
            self.delay_s = 0.0

    def reset(self) -> int:
        """Reset every open connection (RST); return how many there were."""
        answer: list[int] = []
        ready = threading.Event()

        def abort() -> None:
            answer.append(len(self._writers))
            for writer in list(self._writers):
                raw = writer.get_extra_info("socket")
                with suppress(OSError):
                    # Closing with nothing to linger for sends RST in place of FIN.
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            ready.set()

        self._loop.call_soon_threadsafe(abort)
        assert ready.wait(10)
        return answer[0]

    def stop(self) -> None:
        self.reset()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
