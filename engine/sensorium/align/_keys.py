"""The keys that an aligner remembers: made when heard of, packed when quiet, then forgotten."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from heapq import heapify, heappop, heappush

from sensorium.align._carry import Carry
from sensorium.align._pack import Packed, pack, unpack
from sensorium.align._state import KeyState, KeyStream, StreamState
from sensorium.align._view import KeyView
from sensorium.durations import INFINITY, Duration
from sensorium.plugin import Matcher, Policy, StreamSpec

__all__ = ["Keys"]


class Keys:
    """The keys of an aligner by their names.

    Parameters
    ----------
    policy, names, specs
        What a key's matcher is made from.
    streams
        The state of each stream.
    view
        What a matcher is given.
    horizon
        How long a key is remembered after its newest record, in log time.
    most
        How many keys are remembered.
    carry
        What new matchers go on from, and where it is noted how they stand; None where a restart
        needs no such thing.
    """

    __slots__ = (
        "_carry", "_forgetting", "_horizon", "_keep_history", "_most", "_names", "_policy",
        "_quiet", "_quiet_after", "_specs", "_streams", "evicts", "live", "view",
    )  # fmt: skip

    def __init__(
        self,
        policy: Policy,
        names: Sequence[str],
        specs: Sequence[StreamSpec],
        streams: Sequence[StreamState],
        view: KeyView,
        horizon: Duration,
        most: Duration,
        carry: Carry | None,
    ) -> None:
        self._carry = carry
        self._policy = policy
        self._names = names
        self._specs = specs
        self._streams = streams
        self.view = view
        self._horizon = horizon
        self._most = most
        #: Whether their number is limited now.
        self.evicts = True
        self._keep_history = policy.deadline != INFINITY
        # From then on nothing older than the key's newest record can count.
        self._quiet_after = max(spec.max_delay for spec in specs) + 1
        #: Those that may have something pending; where their number is limited, the one that was
        #: heard of longest ago first.
        self.live: dict[str, KeyState] = {} if most == INFINITY else OrderedDict()
        #: Those with nothing pending that have not been heard of for a while; likewise.
        self._quiet: dict[str, Packed] = {} if most == INFINITY else OrderedDict()
        #: Names by the log time at which to look whether the key may be packed or forgotten.
        self._forgetting: list[tuple[Duration, str]] = []

    def __len__(self) -> int:
        return len(self.live) + len(self._quiet)

    @property
    def limited(self) -> bool:
        """Whether their number is limited."""
        return self._most != INFINITY

    def full_for(self, name: str) -> bool:
        """Whether another key has to go before this one is heard of."""
        full = self.evicts and len(self) >= self._most
        return full and name not in self.live and name not in self._quiet

    def heard(self, name: str) -> KeyState:
        """A key that something is heard of."""
        key = self.live.get(name)
        if key is None:
            return self._wake_up(name) or self._new(name)
        if isinstance(self.live, OrderedDict):
            self.live.move_to_end(name)
        return key

    def _new(self, name: str) -> KeyState:
        while self.evicts and len(self) >= self._most:
            self._evict()
        streams = [KeyStream(keep_history=self._keep_history) for _ in self._streams]
        key = KeyState(name, streams, self._matcher(name))
        self.live[name] = key
        if self._horizon != INFINITY:
            self._look_at(key, -INFINITY)
        return key

    def _wake_up(self, name: str) -> KeyState | None:
        """A quiet key, as it was."""
        packed = self._quiet.pop(name, None)
        if packed is None:
            return None
        matcher = packed.matcher or self._matcher(name)
        key = self.live[name] = unpack(name, packed, matcher, keep_history=self._keep_history)
        self._look_at(key, packed.look_at)
        return key

    def _matcher(self, name: str) -> Matcher:
        matcher = self._policy.matcher(self._names, self._specs)
        if self._carry is not None:
            self._carry.start(name, matcher)
        return matcher

    def _evict(self) -> None:
        """Forget the key that was heard of longest ago, and all that it holds."""
        # A quiet one has not been heard of for longer than any that is not.
        name = next(iter(self._quiet or self.live))
        if self._quiet:
            del self._quiet[name]
        else:
            self.view.evict(self.live.pop(name))
        if self._carry is not None:
            self._carry.drop(name)
        self._drop_void_places()

    def forget(self, least: Duration) -> None:
        """Pack the keys that are quiet, and forget those that every stream has passed by more
        than the horizon; `least` is the least log time over the streams."""
        heap = self._forgetting
        while heap and heap[0][0] < least:
            look_at, name = heappop(heap)
            key = self.live.get(name)
            if key is not None and key.look_at == look_at:
                self._let_go(key, least)
            elif key is None:
                packed = self._quiet.get(name)
                if packed is not None and packed.look_at == look_at:
                    del self._quiet[name]

    def _let_go(self, key: KeyState, least: Duration) -> None:
        if key.newest + self._quiet_after >= least:
            self._look_at(key, key.newest + self._quiet_after)
        elif self._holds(key):
            # Not quiet yet: ask again when the log has moved on.
            self._look_at(key, least + self._quiet_after)
        elif key.newest + self._horizon < least:
            del self.live[key.key]
        else:
            self.view.key = key
            fresh = key.matcher.rest(self.view)
            look_at = key.newest + self._horizon
            del self.live[key.key]
            self._quiet[key.key] = pack(key, look_at, keep_matcher=not fresh)
            heappush(self._forgetting, (look_at, key.key))

    def _look_at(self, key: KeyState, log_time: Duration) -> None:
        key.look_at = log_time
        heappush(self._forgetting, (log_time, key.key))

    def _holds(self, key: KeyState) -> bool:
        """Whether the key knows more than what the streams say of any key."""
        return not key.matcher.idle or any(
            own.bound > stream.shared_bound
            for own, stream in zip(key.streams, self._streams, strict=True)
        )

    def _drop_void_places(self) -> None:
        """Drop what evicted keys have left in the heaps, once that is more than what counts."""
        most = 2 * len(self) + 64
        if len(self._forgetting) > most:
            self._forgetting[:] = [
                (key.look_at, name)
                for keys in (self.live, self._quiet)
                for name, key in keys.items()
            ]
            heapify(self._forgetting)
        for stream in self._streams:
            at = stream.index
            if len(stream.wake_by_bound) > most:
                places = [(key.streams[at].wake_bound, name) for name, key in self.live.items()]
                stream.wake_by_bound[:] = [place for place in places if place[0] != INFINITY]
                heapify(stream.wake_by_bound)
            if len(stream.wake_by_log_time) > most:
                places = [(key.streams[at].wake_log_time, name) for name, key in self.live.items()]
                stream.wake_by_log_time[:] = [place for place in places if place[0] != INFINITY]
                heapify(stream.wake_by_log_time)
