# SPDX-License-Identifier: MIT
"""Many connections at once, in one thread: a crowd of clients that stay.

Holder keeps them open, reads what comes, answers a Close (unless told not
to), and knows of each whether it is open or how and when it ended.  Its
visitors come, are served, and go.
"""
import asyncio
import dataclasses
import threading
import time

from clients import CLOSE, PING, PONG, TEXT, accept_of, frame, parse_frame, \
    request, KEY


@dataclasses.dataclass
class Held:
    """One connection.  code and reason: of the server's Close; ended: None
    while it is open, else "close" (a Close came), "eof" (an end without
    one), "error" (see error), or "left" (it went by itself)."""
    opened_at: float = 0.0
    ended: str = None
    ended_at: float = 0.0
    code: int = None
    reason: str = ""
    error: str = ""
    texts: list = dataclasses.field(default_factory=list)
    reader: object = None
    writer: object = None
    data: bytearray = dataclasses.field(default_factory=bytearray)

    @property
    def open(self):
        return self.ended is None


class Holder:
    def __init__(self, port, tls=None, path="/", host="127.0.0.1",
                 name="localhost", answers_close=True, timeout=20.0):
        self.port, self.tls, self.path = port, tls, path
        self.host, self.name = host, name
        self.answers_close = answers_close
        self.timeout = timeout
        self.held = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever,
                                        daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()

    def run(self, coroutine, timeout=120):
        """Runs it in the holder's loop; returns its result."""
        return asyncio.run_coroutine_threadsafe(
            coroutine, self._loop).result(timeout)

    def begin(self, coroutine):
        """Starts it there; the future's result() waits for it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    # ---- what there is ---------------------------------------------------

    def open_ones(self):
        return [h for h in self.held if h.open]

    def ended_ones(self):
        return [h for h in self.held if not h.open]

    # ---- one connection ----------------------------------------------------

    async def _connect(self):
        held = Held()
        held.reader, held.writer = await asyncio.open_connection(
            self.host, self.port, ssl=self.tls,
            server_hostname=self.name if self.tls else None)
        try:
            held.writer.write(request(self.path))
            answer = await held.reader.readuntil(b"\r\n\r\n")
            if not answer.startswith(b"HTTP/1.1 101 "):
                raise ConnectionError(answer.split(b"\r\n")[0].decode())
            assert accept_of(KEY).encode() in answer
        except BaseException:
            held.writer.transport.abort()
            raise
        held.opened_at = time.monotonic()
        return held

    async def _next(self, held):
        """The next frame, or None at the end."""
        while True:
            found = parse_frame(held.data)
            if found is not None:
                del held.data[:found[1]]
                return found[0]
            more = await held.reader.read(65536)
            if not more:
                return None
            held.data += more

    async def _hold(self, held):
        try:
            while (got := await self._next(held)) is not None:
                if got.opcode == PING:
                    held.writer.write(frame(PONG, got.payload))
                elif got.opcode == TEXT:
                    held.texts.append(got.payload.decode())
                elif got.opcode == CLOSE and held.code is None:
                    held.code, held.reason = got.code, got.reason
                    if held.ended is None:
                        held.ended_at = time.monotonic()
                        held.ended = "close"
                    if self.answers_close:
                        held.writer.write(frame(CLOSE, got.payload[:2]))
        except (OSError, asyncio.IncompleteReadError) as error:
            held.error = repr(error)
        if held.ended is None:
            held.ended = "error" if held.error else "eof"
            held.ended_at = time.monotonic()
        held.writer.transport.abort()

    # ---- a crowd -------------------------------------------------------------

    async def _open(self, n, at_once):
        gate = asyncio.Semaphore(at_once)

        async def one():
            async with gate:
                held = await asyncio.wait_for(self._connect(), self.timeout)
            self.held.append(held)
            self._loop.create_task(self._hold(held))
        await asyncio.gather(*(one() for _ in range(n)))

    def open(self, n, at_once=50):
        """n more connections; returns when all are open."""
        self.run(self._open(n, at_once))
        return self

    async def _say(self, text):
        for held in self.open_ones():
            held.writer.write(frame(TEXT, text))

    def say(self, text):
        """Sends it from every open connection; replies go to texts."""
        self.run(self._say(text))

    async def visit(self, text="hello", reply=None):
        """Connects, sends a text, gets `reply` (an echo), closes.  Raises
        when any of it goes wrong; returns the seconds it took."""
        start = time.monotonic()

        async def steps():
            held = await self._connect()
            try:
                held.writer.write(frame(TEXT, text))
                got = await self._next(held)
                want = text if reply is None else reply
                if got is None or got.payload.decode() != want:
                    raise ConnectionError(f"{got} instead of {want!r}")
                held.writer.write(frame(CLOSE, b"\x03\xe8"))
                got = await self._next(held)
                if got is None or got.opcode != CLOSE:
                    raise ConnectionError(f"{got} instead of a Close")
            finally:
                held.writer.transport.abort()
        await asyncio.wait_for(steps(), self.timeout)
        return time.monotonic() - start

    def stream(self, per_second, text="hello", reply=None):
        """Visitors at a steady rate until its stop(): see Stream."""
        return Stream(self, per_second, text, reply)

    async def _leave(self):
        for held in self.open_ones():
            held.ended, held.ended_at = "left", time.monotonic()
            held.writer.transport.abort()
        tasks = [t for t in asyncio.all_tasks()
                 if t is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def stop(self):
        """Everybody hangs up."""
        if self._loop.is_closed():
            return
        self.run(self._leave())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Stream:
    """served: seconds each visit took; failed: what went wrong, as text."""

    def __init__(self, holder, per_second, text, reply):
        self.served, self.failed = [], []
        self._holder = holder
        self._stopped = False
        self._future = holder.begin(self._run(per_second, text, reply))

    async def _one(self, text, reply):
        try:
            self.served.append(await self._holder.visit(text, reply))
        except Exception as error:  # any of them is a failed visit
            self.failed.append(repr(error))

    async def _run(self, per_second, text, reply):
        tasks = set()
        due = time.monotonic()
        while not self._stopped:
            task = asyncio.ensure_future(self._one(text, reply))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            due += 1 / per_second
            await asyncio.sleep(max(0, due - time.monotonic()))
        await asyncio.gather(*tasks)

    def stop(self):
        """No new visitors; waits for the last to leave."""
        self._stopped = True
        self._future.result(60)
        return self
