"""Stored as sent: what a delivery leaves in the database is compared, and not only that its id is there.

A healthy state is learnt from two samples: only what is the same in both is held against another state. A sample is
one delivery to each integration, clients being paused. A row belongs to a delivery if the delivery's id stands in it.
What only another release could explain, and what other writers could have caused, is no difference.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from rollback_drills.core.placeholders import fill, strings_in
from rollback_drills.drill.checkers.judge import Judge
from rollback_drills.drill.checkers.samples import ENOUGH, UNIQUE, Contents, Sample, document_in, take_sample
from rollback_drills.lab.stack import Stack
from rollback_drills.target.target import Target

SHORTEST = 3  # characters of a text that is looked for in rows: "1" or "ok" would be found anywhere


@dataclass(frozen=True, slots=True)
class Learnt:
    """A healthy state of a release: two samples."""

    release: str
    first: Sample
    second: Sample

    def contents(self, integration: str) -> dict[str, frozenset[str]]:
        """The places with the same texts in both samples."""
        other = self.second.contents.get(integration, {})
        return {
            place: texts
            for place, texts in self.first.contents.get(integration, {}).items()
            if other.get(place) == texts
        }

    def given(self, integration: str) -> dict[int, str]:
        """The further columns of `delivery.stored` that are the same in both samples, by their number."""
        one, other = (sample.given.get(integration, ()) for sample in (self.first, self.second))
        return {number: text for number, text in enumerate(one, start=2) if other[number - 2 : number - 1] == (text,)}

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables into which every delivery has written the same number of rows."""
        one, other = self.first, self.second
        return tuple(
            table
            for table, rows in one.rows.items()
            if rows == other.rows.get(table) and rows % one.deliveries == 0 and one.deliveries == other.deliveries
        )


def sampled(target: Target, release: str) -> tuple[str, ...]:
    """The integrations of a release that samples are taken of: one where deliveries are limited to a rate, else all."""
    names = target.integrations_of(release)
    return names[:1] if target.rate_limit is not None else names


def learn_contents(stack: Stack, release: str, names: Sequence[str]) -> Learnt:
    """Learn from a healthy gateway what deliveries to these integrations leave."""
    with stack.clients.paused():
        return Learnt(release, take_sample(stack, names), take_sample(stack, names))


def check_contents(judge: Judge, stack: Stack, learnt: Learnt, release: str, names: Sequence[str]) -> str:
    """Hold a state to what was learnt; a difference counts if a second sample shows it too.

    Another release may store otherwise: of it, nothing is asked but that the texts of a delivery are not lost.

    Returns:
        What could not be told, as a sentence; empty where all could.
    """
    with stack.clients.paused():
        tables = learnt.tables if release == learnt.release else ()
        differences, doubts = _differences(stack, learnt, release, names, take_sample(stack, names, tables))
        if differences or doubts:
            again, still = _differences(stack, learnt, release, names, take_sample(stack, names, tables))
            differences, doubts = [each for each in differences if each in again], [d for d in doubts if d in still]
    judge.check(
        "deliveries are stored as they were sent",
        [*differences[:10]],
        expected=[],
        finding="stored-differs",
        detail="; ".join(differences[:3]) + (f"; and {len(differences) - 3} more" if len(differences) > 3 else ""),
    )
    return f"That release {release} stores deliveries as sent: {doubts[0]}." if doubts else ""


def _differences(
    stack: Stack, learnt: Learnt, release: str, names: Sequence[str], sample: Sample
) -> tuple[list[str], list[str]]:
    """What differs, and what is doubtful, as sentences that are the same for the same difference."""
    target, found, doubts = stack.target, list[str](), list[str]()
    same = release == learnt.release
    columns = {f"{table}.{name}" for table, each in stack.database.columns().items() for name in each}
    for name in names:
        if name not in sample.contents:
            continue  # not acknowledged: that is for other checks
        expected, observed = learnt.contents(name), sample.contents[name]
        texts = {*_sent(target, name)}
        shared = {place: each for place, each in expected.items() if ".".join(place.split(".")[:3]) in columns}
        if same:
            found += [
                f"{name}: {place} is {_brief(observed.get(place))} instead of {_brief(each)}"
                for place, each in shared.items()
                for text in (*texts, name, UNIQUE)
                if _holds(each, {text}) and not _holds(observed.get(place, ()), {text})
            ]
        else:
            lost, unclear = lost_texts(texts, shared, observed)
            found += [f"{name}: {each}" for each in lost]
            doubts += [f"{name}: {each}" for each in unclear]
        found += [
            f"{name}: column {number} of delivery.stored is {_brief({observed_text})} instead of {_brief({text})}"
            for number, text in learnt.given(name).items()
            for observed_text in sample.given.get(name, ())[number - 2 : number - 1]
            if observed_text != text
        ]
    if same and sample.deliveries >= ENOUGH:
        found += [f"no row is written into {table} any more" for table in learnt.tables if not sample.rows.get(table)]
    return found, doubts


def lost_texts(texts: Collection[str], shared: Contents, observed: Contents) -> tuple[list[str], list[str]]:
    """The texts of a delivery that another release had stored in columns that are there, and this one has not."""
    everything = "\n".join(text for each in observed.values() for text in each)
    stored = {text for text in texts if any(_holds(each, {text}) for each in shared.values())}
    missing = sorted(text for text in stored if text not in everything)
    if not missing:
        return [], []
    if len(missing) == len(stored):
        return [f"nothing of what was sent is stored but its id: {_brief(missing)} is nowhere"], []
    lost, unclear = list[str](), list[str]()
    for text in missing:
        places = [place for place, each in shared.items() if _holds(each, {text})]
        altered = [place for place in places if any(map(str.strip, observed.get(place, ())))]
        if altered:
            lost.append(f"{altered[0]} is {_brief(observed.get(altered[0]))}, and {text!r} was sent")
        else:
            unclear.append(f"{text!r} is not stored, and may never have been")
    return lost, unclear


def _holds(texts: Collection[str], wanted: Collection[str]) -> bool:
    return any(each in text for text in texts for each in wanted)


def _sent(target: Target, integration: str) -> Iterator[str]:
    """The texts of a delivery's body that are long enough to be recognised, without its id and the integration."""
    for body in target.delivery_to(integration).bodies().values():
        for text in strings_in(body):
            filled = fill(text, {"integration": integration, "unique": UNIQUE})
            document = document_in(filled)
            for whole in strings_in(document) if document is not None else [filled]:
                yield from (
                    part for part in whole.split(UNIQUE) if len(part.strip()) >= SHORTEST and part != integration
                )


def _brief(texts: Collection[str] | None) -> str:
    if not texts:
        return "empty"
    shown = ", ".join(repr(each if len(each) <= 60 else f"{each[:60]}…") for each in sorted(texts)[:3])
    return shown + (f" and {len(texts) - 3} more" if len(texts) > 3 else "")
