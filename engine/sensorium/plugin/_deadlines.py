"""The deadlines that have been in force: one that is changed holds for what comes afterwards."""

from __future__ import annotations

from dataclasses import dataclass

from sensorium.durations import INFINITY, Duration

__all__ = ["Deadlines"]

#: How many earlier deadlines are remembered: each takes some 35 bytes of a cut's metadata, of which
#: brokers take 4096.
_MOST = 16


@dataclass(frozen=True, slots=True)
class Deadlines:
    """The deadline of a policy's sets, by the log time or event time that it counts from.

    What had been read when a deadline was changed keeps the one that it had, so that whoever reads
    it again decides the same: no set is lost or given twice by the change.

    Parameters
    ----------
    now
        How long sets wait, in ns.
    earlier
        Those of before, (until, deadline), the oldest first: what counts from `until` or before,
        ns since the epoch, has this deadline.
    """

    now: Duration
    earlier: tuple[tuple[int, int], ...] = ()

    def due(self, base: Duration) -> Duration:
        """When a set has to come out whose deadline counts from `base`, in log time.

        It never falls as `base` grows: after a change to a shorter deadline nothing is due before
        what came earlier.
        """
        least: Duration = -INFINITY
        for until, deadline in self.earlier:
            if base <= until:
                return max(base + deadline, least)
            least = max(least, until + deadline)
        return max(base + self.now, least)

    def overdue(self, log_time: Duration) -> Duration:
        """The inverse: what counts from before this was due before `log_time`, and nothing else."""
        least: Duration = -INFINITY
        for until, deadline in self.earlier:
            found = max(log_time - deadline, least)
            if found <= until:
                return found
            least = until + 1
        return max(log_time - self.now, least)

    @property
    def longest(self) -> Duration:
        """The longest of them."""
        return max([self.now, *(deadline for _, deadline in self.earlier)])

    def then(self, now: Duration, until: int | None) -> Deadlines:
        """These, and another one for what counts from later than `until`.

        None: nothing had been read with these.
        """
        if now == self.now:
            return self
        last = self.earlier[-1][0] if self.earlier else None
        if until is None or (last is not None and until <= last):
            return Deadlines(now, self.earlier)
        return Deadlines(now, (*self.earlier, (until, int(self.now)))[-_MOST:])

    def after(self, log_time: Duration) -> Deadlines:
        """These, without those that had come to their end before `log_time`.

        Until then nothing that counts from later is due, however short a later deadline is.
        """
        left = tuple([(until, it) for until, it in self.earlier if until + it >= log_time])
        return self if left == self.earlier else Deadlines(self.now, left)

    def __str__(self) -> str:
        """As a cut's metadata has it; `parse` reads it."""
        return ",".join(
            [*(f"{deadline}@{until}" for until, deadline in self.earlier), str(self.now)]
        )

    @classmethod
    def parse(cls, text: str) -> Deadlines:
        """Read what `str` gives.

        Raises
        ------
        ValueError
            If it is something else.
        """
        *earlier, now = text.split(",")
        pairs = [it.split("@") for it in earlier]
        return cls(int(now), tuple((int(until), int(deadline)) for deadline, until in pairs))
