"""core.broker: without Redis no message is seen half written, and none that is broken ends a worker."""

from collections.abc import Iterator
from pathlib import Path
from queue import Empty

import pytest
from kombu import Connection
from kombu.transport import filesystem
from kombu.transport.virtual import Channel


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "messages").mkdir()
    return tmp_path


FIRST = f"{'0' * 20}_half.celery.msg"


def connect(folder: Path, **options: str) -> Connection:
    filesystem.Transport.global_state.clear()  # a process remembers the queues that it has bound
    messages = str(folder / "messages")
    places = {"data_folder_in": messages, "data_folder_out": messages, "control_folder": str(folder / "control")}
    return Connection("filesystem://", transport_options=places, **options)


@pytest.fixture
def channel(folder: Path) -> Iterator[Channel]:
    with connect(folder) as connection, connection.channel() as channel:
        yield channel


def test_it_works(folder):
    with connect(folder) as connection, connection.SimpleQueue("celery") as queue:
        for number in (1, 2):
            queue.put({"number": number})
        messages = [queue.get(timeout=5) for _ in range(2)]
        assert [message.payload["number"] for message in messages] == [1, 2]
        for message in messages:
            message.ack()
    assert list((folder / "messages").glob("*.msg")) == []


def test_a_message_is_not_there_before_it_is_whole(channel, monkeypatch):
    rename = Path.rename
    looked = []

    def look_first(self: Path, target: Path) -> Path:
        with pytest.raises(Empty):
            channel._get("celery")
        looked.append(self)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", look_first)
    channel._put("celery", {"number": 1})
    assert channel._get("celery") == {"number": 1}
    assert len(looked) == 1


@pytest.mark.parametrize("half", [b"", b'{"body": "gA'])
def test_a_broken_message_is_dropped_and_the_next_one_comes(folder, channel, half):
    (folder / "messages" / FIRST).write_bytes(half)
    channel._put("celery", {"number": 2})
    assert channel._get("celery") == {"number": 2}
    with pytest.raises(Empty):
        channel._get("celery")


def test_control_kombus_own_breaks_on_it(folder):
    (folder / "messages" / FIRST).write_bytes(b"")
    with connect(folder, transport="kombu.transport.filesystem:Transport") as connection, connection.channel() as own:
        assert type(own) is filesystem.Channel
        with pytest.raises(ValueError, match="Expecting value"):
            own._get("celery")


def test_a_broken_list_of_queues_is_made_anew(folder):
    (folder / "control").mkdir()
    (folder / "control" / "celery.exchange").write_bytes(b"")
    test_it_works(folder)
