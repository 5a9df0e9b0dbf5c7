"""How long work on a data set is watched, by whoever shows it: data itself shows nothing.

with watch("Decoding images", total) as advance:
    advance(1)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

Watch = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""Takes what is done and of how many pieces; what it yields is told how many more are done.

Of no pieces is what only can be waited for.
"""


@contextmanager
def unwatched(_what: str, _total: int) -> Iterator[Callable[[int], None]]:
    """The Watch that shows nothing."""
    yield lambda _done: None
