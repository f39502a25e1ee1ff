"""Celery's file-system broker, where there is no Redis: kombu's, with messages that appear whole or not at all.

kombu's own creates a message's file before it writes it. A worker that looks in between takes an empty message and ends
as with an unrecoverable error; so does every later one that finds what a killed writer left. Here a message is written
under a name that nobody reads and then renamed. What is broken all the same is dropped: the rows are the guarantee, a
message only wakes a worker.
"""

import time
import uuid
from pathlib import Path
from typing import Any

from kombu.exceptions import ChannelError
from kombu.transport import filesystem
from kombu.utils.json import dumps

from . import logs

log = logs.get("leadfair.broker")


class Channel(filesystem.Channel):
    """Reads and writes in the folders of kombu's."""

    def _put(self, queue: str, payload: Any, **kwargs: Any) -> None:  # type: ignore[override]
        name = f"{time.monotonic_ns():020}_{uuid.uuid4()}.{queue}.msg"  # read in the order of names
        _write_whole(Path(self.data_folder_out) / name, dumps(payload))

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        while True:
            try:
                return super()._get(queue)
            except ValueError:
                log.warning("broken message dropped")

    def get_table(self, exchange: str) -> list[filesystem.exchange_queue_t]:
        """The queues bound to ``exchange``; a broken file holds none, and they are bound again."""
        try:
            table: list[filesystem.exchange_queue_t] = super().get_table(exchange)
        except ValueError:
            return []
        return table

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None:
        bound = filesystem.exchange_queue_t(routing_key or "", pattern or "", queue or "")
        table = self.get_table(exchange)
        if bound not in table:
            self.control_folder.mkdir(exist_ok=True)
            _write_whole(self._exchange_file(exchange), dumps([bound, *table]))


class Transport(filesystem.Transport):
    Channel = Channel


def _write_whole(path: Path, text: str) -> None:
    unfinished = path.with_name(f"{path.name}.{uuid.uuid4()}")
    try:
        unfinished.write_text(text)
        unfinished.rename(path)
    except OSError as error:
        raise ChannelError(f"Cannot write {path}") from error
