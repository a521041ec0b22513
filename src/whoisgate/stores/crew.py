"""The two threads of one process that uses a log: one appends what is queued, one publishes.

The appending thread takes whatever waits, up to a batch, and never waits for more: while one
batch is made durable the next gathers. Threads end only when told to, after finishing what they
were given; they are never carried over a fork.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from copy import copy
from queue import Empty, SimpleQueue
from typing import Final

from whoisgate.audit.draft import Draft
from whoisgate.audit.receipt import Receipt
from whoisgate.errors import LogUnavailable, WhoisgateError
from whoisgate.stores.sequencer import Doubtful, Sequencer

BATCH_LIMIT: Final = 256
PUBLISH_AFTER_S: Final = 0.5

_LOGGER: Final = logging.getLogger(__name__)

_Item = tuple[Draft, "Future[Receipt]"]


class Crew:
    """Both threads, running. ``fail`` hears of what must stop the log in this process."""

    def __init__(
        self,
        sequencer: Callable[[], Sequencer],
        publish: Callable[[], None],
        fail: Callable[[WhoisgateError], None],
    ) -> None:
        self._sequencer, self._publish, self._fail = sequencer, publish, fail
        self._queue: SimpleQueue[_Item | None] = SimpleQueue()
        self._failure: WhoisgateError | None = None
        self._unpublished: WhoisgateError | None = None  # why the last publishing failed
        self._dirty, self._stopping = threading.Event(), threading.Event()
        self._dirty.set()  # an earlier process may have left something unpublished
        self._appending = threading.Thread(target=self._append_all, daemon=True)
        self._publishing = threading.Thread(target=self._publish_all, daemon=True)
        self._appending.start()
        self._publishing.start()

    def put(self, draft: Draft, future: Future[Receipt]) -> None:
        """Queue one draft; not after `stop`."""
        self._queue.put((draft, future))

    def stop(self) -> WhoisgateError | None:
        """Append and publish what there is, then end both threads. Waits for them.

        Gives the reason why something may be left unpublished: the next start publishes it.
        """
        self._queue.put(None)
        self._appending.join()
        self._stopping.set()
        self._dirty.set()
        self._publishing.join()
        return self._unpublished

    def _append_all(self) -> None:
        sequencer: Sequencer | None = None
        while batch := self._take():
            try:
                sequencer = sequencer or self._sequencer()
                outcomes = self._commit(sequencer, [draft for draft, _ in batch])
            except Exception as error:  # noqa: BLE001  whatever it was, every waiter must hear
                if isinstance(error, Doubtful):
                    self._stop_log(error)
                outcomes = [copy(error) for _ in batch]
            for (_, future), outcome in zip(batch, outcomes, strict=True):
                if isinstance(outcome, Receipt):
                    future.set_result(outcome)
                else:
                    future.set_exception(outcome)
        if sequencer is not None:
            sequencer.close()

    def _commit(self, sequencer: Sequencer, drafts: list[Draft]) -> list[Receipt | Exception]:
        if self._failure is not None:
            raise self._failure
        outcomes = sequencer.commit(drafts)
        self._dirty.set()
        return outcomes

    def _take(self) -> list[_Item]:
        """At least one item and at most a batch; none when the queue has ended."""
        batch: list[_Item] = []
        item = self._queue.get()
        while item is not None:
            batch.append(item)
            if len(batch) == BATCH_LIMIT:
                return batch
            try:
                item = self._queue.get_nowait()
            except Empty:
                return batch
        if batch:
            self._queue.put(None)
        return batch

    def _publish_all(self) -> None:
        while self._dirty.wait():
            self._stopping.wait(PUBLISH_AFTER_S)
            self._dirty.clear()
            # INVARIANT: read after the clear, for `stop` sets this first: no wake-up is lost.
            stopping = self._stopping.is_set()
            if stopping and self._failure is not None and self._unpublished is not None:
                return  # neither is mended within a moment, and each try may take its time
            try:
                self._publish()
                self._unpublished = None
            except LogUnavailable as error:
                if self._unpublished is None:
                    _LOGGER.error("%s", error)  # noqa: TRY400  the sentence says it all
                self._unpublished = error
                self._dirty.set()  # tried again
            except WhoisgateError as error:
                self._unpublished = error
                self._stop_log(error)  # stale, or not ours to write
            if stopping:
                return

    def _stop_log(self, error: WhoisgateError) -> None:
        if self._failure is None:
            _LOGGER.error("%s", error)
            self._failure = error
            self._fail(error)
