"""What can go wrong with a request to the API server."""

from __future__ import annotations


class ClusterError(Exception):
    """The API server refused a request, or could not be reached. `status` is 0 for the latter."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class NotFoundError(ClusterError):
    """The object is not there (404)."""


class ConflictError(ClusterError):
    """The object changed since it was read, or one of that name is there already (409)."""


class InvalidError(ClusterError):
    """The API server finds the object itself wrong (400, 422), or forbids it (403: a quota, a
    policy, a missing right). Trying the same again right away does not help."""


class WrongFieldsError(InvalidError):
    """The API server's own validation names the fields of the object that are wrong (422): it will
    refuse the same object again. A policy that says no names none."""


class NamespaceTerminatingError(ClusterError):
    """Nothing can be made any more in a namespace that is being deleted (403)."""


class ThrottledError(ClusterError):
    """The API server has too much to do (429), and wants to be left alone for `seconds`."""

    def __init__(self, status: int, message: str, seconds: float) -> None:
        super().__init__(status, message)
        self.seconds = seconds


class LeaseLostError(Exception):
    """Another holder has the Lease, or it could not be renewed in time."""
