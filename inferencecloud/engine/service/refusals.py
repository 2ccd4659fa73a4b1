"""What the service refuses, in the form that OpenAI's clients read."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from inferencecloud.engine.errors import EngineError

# By name: some stand beside torch, which this service need not import.
_ASKED_WRONGLY = {
    "AnswerOffSchema",
    "EmptyPrompt",
    "InvalidSampling",
    "InvalidSchema",
    "NothingAllowed",
    "PromptTooLong",
    "TemplateRefused",
}


class Refused(EngineError):
    """A request is not served."""

    def __init__(
        self, status: HTTPStatus, message: str, *, code: str | None = None, field: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.field = field

    def as_json(self) -> dict[str, Any]:
        """Return the body of the answer."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        error = {"message": str(self), "type": kind, "param": self.field, "code": self.code}
        return {"error": error}


def wrong(field: str, wanted: str, got: object) -> Refused:
    """Return the refusal of a field: what was wanted, what was got."""
    shown = repr(got)
    shown = shown if len(shown) <= 80 else shown[:77] + "..."
    return Refused(HTTPStatus.BAD_REQUEST, f"{field} must be {wanted}, got {shown}.", field=field)


def of_engine(error: EngineError | None) -> Refused:
    """Return the refusal for what the engine failed at."""
    if isinstance(error, Refused):
        return error
    name = type(error).__name__
    if name == "AdapterNotLoaded":
        return Refused(HTTPStatus.NOT_FOUND, str(error), code="model_not_found", field="model")
    if name in _ASKED_WRONGLY:
        code = "context_length_exceeded" if name == "PromptTooLong" else None
        return Refused(HTTPStatus.BAD_REQUEST, str(error), code=code)
    return Refused(HTTPStatus.INTERNAL_SERVER_ERROR, str(error or "The model did not answer."))
