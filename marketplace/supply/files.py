"""The files of uploads on disk: sealed as they arrive, each under the random id of its upload, deleted at the end."""

from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, SkipFile, StopUpload
from django.http import HttpRequest

from marketplace.core import clock
from marketplace.core.ids import new_id
from privacy.vault.files import SealedFile, SealedWriter

from .models import Upload
from .reading import MAX_BYTES

FORM_BYTES = 64 * 1024  # what a form may be larger than the file in it
STRAY_AFTER = timedelta(hours=1)  # since somebody wrote to it


def content_of(public_id: str) -> SealedFile:
    """What was uploaded under this id."""
    return SealedFile(settings.UPLOADS / f"{public_id}.upload", f"upload|{public_id}")


def rejects_of(upload: Upload) -> SealedFile:
    """The rows of that file that did not go on sale, as the run wrote them that has or had the claim last."""
    return SealedFile(settings.UPLOADS / f"{upload.public_id}.{upload.claim}.rejects", f"rejects|{upload.public_id}")


class Sealing(FileUploadHandler):
    """Seals the file of the field ``file`` as it arrives. ``public_id`` names it; ``is_too_large`` says that it was
    more than we take, and that the rest of the request was not read; who makes use of it says ``is_wanted``."""

    chunk_size = 256 * 1024

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request)
        self.public_id, self.is_too_large, self.is_wanted = new_id(), False, False
        self._length = int(request.META.get("CONTENT_LENGTH") or 0)
        self._size, self._is_whole = 0, False
        self._writer: SealedWriter | None = None

    def new_file(self, field_name: str, *args: Any, **kwargs: Any) -> None:
        super().new_file(field_name, *args, **kwargs)
        if field_name != "file" or self._writer is not None:
            raise SkipFile
        if self._length > MAX_BYTES + FORM_BYTES:
            self._stop()
        self._writer = content_of(self.public_id).create()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self._size += len(raw_data)
        if self._size > MAX_BYTES:
            self._stop()
        if self._writer is not None:
            self._writer.write(raw_data)

    def file_complete(self, file_size: int) -> UploadedFile | None:
        if self._writer is None or self._is_whole:
            return None
        self._writer.finish()
        self._is_whole = True
        return UploadedFile(name="file", size=file_size)

    def _stop(self) -> None:
        self.is_too_large = True
        raise StopUpload(connection_reset=True)  # not a byte more is read

    def close(self) -> None:
        """Delete what arrived, unless it is wanted."""
        if self.is_wanted:
            return
        if self._writer is not None:
            self._writer.close()
        content_of(self.public_id).delete()


def delete_strays() -> int:
    """Delete the files that nothing speaks of: of uploads that ended, of rejects whose time is over or whose run lost
    its claim, and of requests that broke off; returns how many. A young one may be arriving just now."""
    deleted, now = 0, clock.now()
    for path in settings.UPLOADS.glob("*"):
        public_id, *claim, kind = path.name.split(".")
        uploads = Upload.objects.filter(public_id=public_id)
        stays = uploads.live() if kind == "upload" else uploads.with_rejects(now).filter(claim__in=claim)
        with suppress(FileNotFoundError):
            if now.timestamp() - path.stat().st_mtime > STRAY_AFTER.total_seconds() and not stays.exists():
                path.unlink()
                deleted += 1
    return deleted
