"""The one error of the stand-in: what the API answers when it refuses."""

from __future__ import annotations

from typing import Any


class ProcessorError(Exception):
    """A refusal in Stripe's shape. Over HTTP it becomes an error answer; in process it is raised as it is."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        type: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.type = type
        self.code = code
        self.param = param

    def body(self) -> dict[str, Any]:
        """The JSON body: `{"error": {type, message, code?, param?}}`."""
        error: dict[str, Any] = {"type": self.type, "message": self.message}
        if self.code:
            error["code"] = self.code
        if self.param:
            error["param"] = self.param
        return {"error": error}


def missing(kind: str, id: str, param: str = "id") -> ProcessorError:
    """What Stripe says of an id that it does not know (404)."""
    return ProcessorError(f"No such {kind}: '{id}'", status=404, code="resource_missing", param=param)


def missing_param(param: str) -> ProcessorError:
    """What Stripe says of a parameter that has to be there (400)."""
    return ProcessorError(f"Missing required param: {param}.", code="parameter_missing", param=param)
