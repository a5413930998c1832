"""The one exception that people see."""


class TestbedError(Exception):
    """Something a person must know: what failed, on what, and what to do."""

    __test__ = False  # not a test class, whatever its name says to pytest
