"""What switching off returns: switches on again at the end of a `with` statement, if there is one."""

from collections.abc import Callable


class Switch:
    """Something that is switched off."""

    def __init__(self, on: Callable[[], object]) -> None:
        self._on = on

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        self._on()
