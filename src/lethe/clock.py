"""Clock: wall time and processor time, read together."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Moment:
    """A point in time, now unless it is given.

    Attributes:
        seconds: of a clock on the wall.
        cpu_seconds: what all threads of this process have computed; no other work of the machine is in it.
    """

    seconds: float = field(default_factory=time.perf_counter)
    cpu_seconds: float = field(default_factory=time.process_time)

    def passed(self) -> dict[str, float]:
        """Return what has passed since, by name."""
        now = Moment()
        return {"seconds": now.seconds - self.seconds, "cpu_seconds": now.cpu_seconds - self.cpu_seconds}
