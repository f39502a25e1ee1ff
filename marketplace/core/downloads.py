"""Files that are made while they are sent."""

from collections.abc import Iterable

from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header


def download(chunks: Iterable[str | bytes], *, filename: str, content_type: str) -> StreamingHttpResponse:
    """``chunks`` as a download named ``filename``, sent as they are made. Not stored by browsers or proxies."""
    response = StreamingHttpResponse(chunks, content_type=content_type)
    response["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=filename) or "attachment"
    response["Cache-Control"] = "no-store"
    return response
