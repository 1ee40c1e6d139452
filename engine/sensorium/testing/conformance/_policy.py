"""The kit of an alignment policy: the aligner's invariants, on streams that are drawn at random."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final

from sensorium.align import Aligner
from sensorium.durations import INFINITY
from sensorium.events import AlignedSet, Event, Fate
from sensorium.plugin import Deadlines, Policy
from sensorium.testing.conformance._case import Conformance
from sensorium.testing.conformance._config_checks import declared, strict
from sensorium.testing.conformance._policy_subject import KEYS, SEEDS, PolicySubject, told

__all__ = ["POLICY_CHECKS", "PolicyConformance"]

#: How many events may be held in `keeps_to_a_limit`.
_FEW: Final = 4


def declares_itself(subject: PolicySubject) -> None:
    """It has a name, documentation, the right API version, and an extent in whole nanoseconds."""
    declared(subject, subject.plugin)
    extent = subject.policy().extent(subject.step)
    if extent != INFINITY and (type(extent) is not int or extent < 0):
        subject.refuse(f"extent gave {extent!r}")


def config_is_strict(subject: PolicySubject) -> None:
    """Its parameters refuse unknown keys, are frozen, and survive JSON."""
    strict(subject, subject.plugin, subject.config)


def sets_are_whole(subject: PolicySubject) -> None:
    """A set has every stream as member or as absent, within the policy's extent, and its own id."""
    policy = subject.policy()
    extent = policy.extent(subject.step)
    found = 0
    for seed in SEEDS:
        sets, _ = subject.run(subject.by_time(subject.log(seed)))
        found += len(sets)
        repeated = [id_ for id_, count in Counter(one.id for one in sets).items() if count > 1]
        if repeated:
            subject.refuse(f"{len(repeated)} sets have the id of another one")
        for one in sets:
            if one.members.keys() & one.absent.keys() or (
                one.members.keys() | one.absent.keys() != set(subject.streams)
            ):
                subject.refuse(f"a set has the members {[*one.members]}, absent {[*one.absent]}")
            required = {"all": set(subject.streams), "any": set()}.get(
                str(policy.require), set(policy.require)
            )
            if not required <= one.members.keys() or not one.members:
                subject.refuse(f"a set has only {[*one.members]}; require is {policy.require!r}")
            times = [event.time for events in one.members.values() for event in events]
            if max(times) - min(times) > extent:
                subject.refuse(
                    f"a set has members {max(times) - min(times)} ns apart; extent is {extent}"
                )
    if not found:
        subject.refuse("no set settled: choose a `spacing` at which events belong together")


def arrival_order_does_not_matter(subject: PolicySubject) -> None:
    """The same logs give the same sets and fates, in whichever order the streams are read."""
    for seed in SEEDS:
        log = subject.log(seed)
        expected = _summed(*subject.run(subject.by_time(log)))
        for order in range(3):
            if _summed(*subject.run(subject.merged(log, order))) != expected:
                subject.refuse("it gives other sets when the streams are read in another order")


def fates_add_up(subject: PolicySubject) -> None:
    """After every call each event has one fate; at the end none is pending, members are matched."""
    for seed in SEEDS:
        aligner = subject.aligner()
        members: set[str] = set()
        events = subject.by_time(subject.log(seed))
        for number, event in enumerate(events, 1):
            for one in aligner.add(event):
                members |= {it.id for given in one.members.values() for it in given}
            total = sum(aligner.fates.values())
            if total != number or min(aligner.fates.values()) < 0:
                subject.refuse(f"after {number} events the fates add up to {total}")
        for one in aligner.close():
            members |= {it.id for given in one.members.values() for it in given}
        told_of = {str(fate): count for fate, count in aligner.fates.items()}
        if told_of.get("pending", 0):
            subject.refuse(f"{told_of['pending']} events are pending when all streams are closed")
        if told_of.get("matched", 0) != len(members):
            subject.refuse(
                f"{told_of.get('matched', 0)} events are matched; the sets have {len(members)}"
            )


def keys_are_independent(subject: PolicySubject) -> None:
    """A key gives the same sets whether or not another one has events."""
    for seed in SEEDS:
        events = subject.by_time(subject.log(seed))
        together, _ = subject.run(events)
        for key in KEYS:
            aligner = subject.aligner()
            alone = []
            for event in events:
                if event.key == key:
                    alone += aligner.add(event)
                else:
                    alone += aligner.progress(event.stream, event.arrived or 0)
            alone += aligner.close()
            if list(map(told, alone)) != [told(one) for one in together if one.key == key]:
                subject.refuse(f"the key {key!r} has other sets alone than beside another")


def resumes_from_a_snapshot(subject: PolicySubject) -> None:
    """Snapshot and restore, at any point, give what an uninterrupted run gives."""
    for seed in list(SEEDS)[:4]:
        events = subject.by_time(subject.log(seed))
        expected, fates = subject.run(events)
        straight = subject.aligner()
        before: list[object] = []
        for number, event in enumerate(events):
            if number % 16 == 0:
                snapshot = straight.snapshot()
                for _ in range(2):  # one snapshot may be restored twice
                    rest, counted = _finish(Aligner.restore(snapshot), events[number:])
                    if before + rest != list(map(told, expected)) or counted != fates:
                        subject.refuse(f"restored after {number} events, it gives other sets")
            before += map(told, straight.add(event))


def keeps_earlier_deadlines(subject: PolicySubject) -> None:
    """If its `deadline_may_change`, what counts from before a change has the earlier deadline."""
    if not subject.plugin.deadline_may_change:
        return
    step = subject.step
    short, long = (
        subject.policy().model_copy(update={"deadline": deadline}) for deadline in (0, 4 * step)
    )
    differ = False
    for seed in SEEDS:
        events = subject.by_time(subject.log(seed))
        last = max(event.arrived or 0 for event in events) + 100 * step
        for now, before in ((short, long), (long, short)):
            # All of it counts from before the change, or none.
            for until, same in ((last, before), (-last, now)):
                known = Deadlines(now.deadline, ((until, int(before.deadline)),))
                aligner = subject.aligner(policy=now, deadlines=known)
                expected = subject.run(events, subject.aligner(policy=same))
                if _summed(*subject.run(events, aligner)) != _summed(*expected):
                    subject.refuse(
                        "after a change of the deadline it gives other sets: its matchers have to "
                        "take deadlines from `View.due` and `View.overdue`"
                    )
        one, other = (subject.run(events, subject.aligner(policy=it)) for it in (short, long))
        differ = differ or _summed(*one) != _summed(*other)
    if not differ:
        subject.refuse(
            "no set depends on the deadline, so that this says nothing: choose another "
            "`spacing`, or leave `deadline_may_change` out"
        )


def forgets_quiet_keys(subject: PolicySubject) -> None:
    """Nothing is kept of a key that has been quiet for longer than the horizon."""
    aligner = subject.aligner()
    events = subject.by_time(subject.log(0))
    for event in events:
        aligner.add(event)
    extent = subject.policy().extent(subject.step)
    if extent == INFINITY:
        subject.refuse("extent is infinite, so that no key can ever be forgotten")
    later = max(event.arrived or 0 for event in events) + 3 * int(extent) + 30 * subject.step
    for _ in range(2):
        for stream in subject.streams:
            aligner.progress(stream, later)
        later += 1
    if aligner.keys:
        subject.refuse(f"{aligner.keys} keys are held though nothing can belong to them any more")


def keeps_to_a_limit(subject: PolicySubject) -> None:
    """Where memory is limited, it gives up events, each with that fate, and goes on."""
    evicted = 0
    for seed in SEEDS:
        aligner = subject.aligner(max_pending_events=_FEW)
        events = subject.by_time(subject.log(seed))
        for number, event in enumerate(events, 1):
            aligner.add(event)
            fates = aligner.fates
            if sum(fates.values()) != number:
                subject.refuse(f"after {number} events the fates add up to {sum(fates.values())}")
            if fates[Fate.PENDING] > _FEW:
                subject.refuse(f"{fates[Fate.PENDING]} events are pending; the limit is {_FEW}")
        aligner.close()
        evicted += aligner.fates[Fate.EVICTED]
        if aligner.fates[Fate.PENDING]:
            subject.refuse("events are pending when all streams are closed")
    if not evicted:
        subject.refuse(f"no event was given up though only {_FEW} may be held")


#: All checks of a policy, by name.
POLICY_CHECKS: Final[Mapping[str, Callable[[PolicySubject], None]]] = {
    check.__name__: check
    for check in (
        declares_itself,
        config_is_strict,
        sets_are_whole,
        arrival_order_does_not_matter,
        fates_add_up,
        keys_are_independent,
        resumes_from_a_snapshot,
        keeps_earlier_deadlines,
        forgets_quiet_keys,
        keeps_to_a_limit,
    )
}


class PolicyConformance(Conformance, kind="policy", checks=POLICY_CHECKS):
    """All checks of an alignment policy: set `plugin`, and `config` and `spacing` where needed.

    Attributes
    ----------
    streams
        The names of the streams, where the parameters name any.
    spacing
        How far apart the events of a stream and key lie, about.
    """

    plugin: ClassVar[type[Policy]]
    streams: ClassVar[Sequence[str]] = ("left", "right", "up")
    spacing: ClassVar[str | int] = "1s"

    @classmethod
    def make_subject(cls, folder: Path) -> PolicySubject:
        """The policy with its streams."""
        return PolicySubject(cls.plugin, cls.configure(folder), cls.streams, cls.spacing)


def _summed(
    sets: Sequence[AlignedSet], fates: Counter[str]
) -> tuple[Counter[object], Counter[str]]:
    return Counter(told(one) for one in sets), fates


def _finish(aligner: Aligner, events: Sequence[Event]) -> tuple[list[object], Counter[str]]:
    sets = [one for event in events for one in aligner.add(event)]
    sets += aligner.close()
    fates = Counter({str(fate): count for fate, count in aligner.fates.items()})
    return list(map(told, sets)), fates
