"""The card for the night in a terminal: which way back, at what price, and what not to do."""

from __future__ import annotations

from collections.abc import Iterator

from rollback_drills.report.formats.columns import hanging, row
from rollback_drills.report.text import visible
from rollback_drills.report.views.card import Advice, Card
from rollback_drills.report.views.ways import Way

Line = tuple[str, str]
"""Text, and the marks of pytest's terminal writer to write it with: ``"red bold"``, ``"green"``, or nothing."""


_SYMPTOM, _TIME = 26, 12  # columns
_WARNINGS = 2  # at the end of a run; the card itself has all


def tonight(card: Card, width: int) -> Iterator[Line]:
    """The card in few lines, for the end of a run."""
    sizes = (_SYMPTOM, width - _SYMPTOM - _TIME - 4, _TIME)
    yield from ((line, "bold") for line in row(("tonight, if", "do", "takes"), sizes))
    for answer in card.answers:
        way = answer.way
        if not way.works:
            yield from (
                (line, "red") for line in row((answer.symptom, f"no way back is proven: {way.why}", "-"), sizes)
            )
            continue
        price = "" if way.lost_writes == 0 and not way.destroys else f" ({answer.price})"
        yield from ((line, "") for line in row((answer.symptom, way.do + price, way.recovery), sizes))
        for caution in way.cautions:
            yield from ((line, "yellow") for line in hanging(caution, width, " " * (_SYMPTOM + 2) + "but: "))
    for warning in card.never[:_WARNINGS]:
        yield from ((line, "red") for line in hanging(visible(warning), width, "do not  "))


def card_lines(card: Card, width: int) -> Iterator[Line]:
    """The whole card: the order of the decisions, each way with its steps, price and needs, and what not to do."""
    yield from ((line, "bold") for line in hanging(f"If it happens tonight: {card.target}, {card.releases}", width, ""))
    yield from ((line, "") for line in hanging(f"as drilled in run {card.run}, {card.when}", width, ""))
    for number, answer in enumerate(card.answers, 1):
        yield "", ""
        yield from _answer(number, answer, width)
    if card.never:
        yield "", ""
        yield "DO NOT", "red bold"
        for warning in card.never:
            yield from ((line, "red") for line in hanging(warning, width, "   - "))
    yield "", ""
    note = "Drilled on a disposable copy: not with production's backups, volume, load, network or permissions."
    yield from ((line, "") for line in hanging(note, width, ""))


def _answer(number: int, answer: Advice, width: int) -> Iterator[Line]:
    way = answer.way
    yield f"{number}  {answer.symptom.upper()}", "bold"
    if not way.works:
        yield from ((line, "red bold") for line in hanging("no way back is proven", width, "   "))
        for line in answer.refuted or (f"{way.do}: {way.why}",):
            yield from ((each, "red") for each in hanging(line, width, "   why    "))
        return
    yield from ((line, "green bold") for line in hanging(f"{way.do}: {way.recovery}", width, "   do     "))
    for place, step in enumerate(way.steps, 1):
        yield from ((line, "") for line in hanging(f"{place}. {step}", width, "          "))
    for label, text in _facts(answer, way):
        style = "yellow" if label == "but" else ""
        yield from ((line, style) for line in hanging(text, width, f"   {label:<7}"))


def _facts(answer: Advice, way: Way) -> Iterator[tuple[str, str]]:
    yield "costs", answer.price
    if way.grows:
        yield "grows", way.grows
    for need in way.needs:
        yield "needs", need
    for caution in way.cautions:
        yield "but", caution
    yield "sure", way.sure
    if answer.otherwise is not None:
        yield "else", f"{answer.otherwise.do}: {answer.otherwise.recovery}"
