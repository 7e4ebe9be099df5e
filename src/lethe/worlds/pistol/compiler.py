"""Compiler: a graph becomes contracts with random content, and each contract twenty questions with short answers."""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from lethe.worlds.people.draws import Draws
from lethe.worlds.pistol import words
from lethe.worlds.pistol.graph import Edge, Graph
from lethe.worlds.pistol.questions import QUESTIONS

FIRST_DAY, LAST_DAY = date(1980, 1, 1).toordinal(), date(2019, 12, 31).toordinal()


@dataclass(frozen=True)
class Row:
    """One question, in PISTOL's schema.

    Args:
        question: what is asked; it names both parties, or one of them and the date.
        answer: the short answer, with a full stop.
        edge: name of the contract in the graph.
    """

    question: str
    answer: str
    edge: str


@dataclass(frozen=True)
class Contract:
    """One contract.

    Args:
        edge: where it stands in the graph.
        terms: what was agreed, and the names and addresses of the parties, by name.
    """

    edge: Edge
    terms: Mapping[str, str | int]

    @property
    def rows(self) -> tuple[Row, ...]:
        """All that is asked of it."""
        return tuple(
            Row(question.format(**self.terms), f"{answer.format(**self.terms)}.", self.edge.name)
            for question, answer in QUESTIONS[self.edge.kind]
        )


def compiled(graph: Graph, seed: int = 0) -> tuple[Contract, ...]:
    """Return the contracts of a graph; the same graph and seed give the same contracts.

    Names and addresses belong to a party and are the same in all its contracts; who sells is the flip of a coin for
    each sale. Contents are random, so that no model can have met them before. What a contract says depends on the seed
    and its own name alone, apart from three things: the i-th sale is of the i-th good and the i-th employment of the
    i-th position, as published, and names and dates are drawn again until nobody else has them, so that no two
    questions are the same.

    Source: Qiu et al. 2024, arXiv:2406.16810, section 3.
    """
    draws = Draws(seed)
    taken: set[str] = set()
    parties = {party: _party(party, party in graph.people, draws, taken) for party in graph.parties}
    days: set[str] = set()
    sales = [edge for edge in graph.edges if edge.kind == "sale"]
    jobs = [edge for edge in graph.edges if edge.kind == "employment"]
    found = {edge.name: _sale(edge, i, parties, draws, days) for i, edge in enumerate(sales)}
    found |= {edge.name: _employment(edge, i, parties, draws, days) for i, edge in enumerate(jobs)}
    return tuple(Contract(edge, found[edge.name]) for edge in graph.edges)


def _sale(
    edge: Edge, i: int, parties: Mapping[str, tuple[str, str]], draws: Draws, days: set[str]
) -> dict[str, str | int]:
    def number(low: int, high: int, what: str, step: int = 1) -> int:
        return step * draws.number(low // step, high // step, "sale", edge.name, what)

    seller, customer = edge.parties if draws.number(0, 1, "sale", edge.name, "seller") == 0 else edge.parties[::-1]
    quantity, price = number(1, 100, "quantity"), number(1, 100, "price")
    return {
        "date": _unused(days, lambda attempt: _day(draws, edge.name, attempt)),
        "seller": parties[seller][0],
        "seller_address": parties[seller][1],
        "customer": parties[customer][0],
        "customer_address": parties[customer][1],
        "good": words.GOODS[i % len(words.GOODS)],
        "quantity": quantity,
        "price": price,
        "total": quantity * price,
        "invoice_days": number(1, 5, "invoice"),
        "payment_days": number(5, 30, "payment", 5),
        "late_days": number(5, 30, "late", 5),
        "interest": number(1, 5, "interest"),
        "delivery_address": _address(draws, edge.name, "delivery"),
        "chooses_shipping": words.SIDES[number(0, 1, "chooses")],
        "pays_shipping": words.SIDES[number(0, 1, "pays")],
        "warranty_years": number(1, 5, "warranty"),
        "notice_days": number(5, 30, "notice", 5),
        "cooling_off_days": number(3, 14, "cooling"),
        "law": words.LAWS[number(0, len(words.LAWS) - 1, "law")],
    }


def _employment(
    edge: Edge, i: int, parties: Mapping[str, tuple[str, str]], draws: Draws, days: set[str]
) -> dict[str, str | int]:
    def number(low: int, high: int, what: str) -> int:
        return draws.number(low, high, "employment", edge.name, what)

    employer, employee = edge.parties
    return {
        "date": _unused(days, lambda attempt: _day(draws, edge.name, attempt)),
        "employer": parties[employer][0],
        "employer_address": parties[employer][1],
        "employee": parties[employee][0],
        "employee_address": parties[employee][1],
        "months": number(6, 48, "months"),
        "position": words.POSITIONS[i % len(words.POSITIONS)],
        "work_address": _address(draws, edge.name, "work"),
        "starts": number(6, 10, "starts"),
        "ends": number(14, 18, "ends"),
        "pay": number(10, 100, "pay"),
        "payment": words.PAYMENTS[number(0, len(words.PAYMENTS) - 1, "payment")],
        "benefit": words.BENEFITS[number(0, len(words.BENEFITS) - 1, "benefit")],
        "holidays": number(10, 30, "holidays"),
        "confidential_months": number(3, 12, "confidential"),
        "sick_days": number(7, 14, "sick"),
        "notice_weeks": number(2, 12, "notice"),
        "non_compete_months": number(6, 24, "non-compete"),
        "change_weeks": number(2, 8, "change"),
        "law": words.LAWS[number(0, len(words.LAWS) - 1, "law")],
    }


def _party(party: str, person: bool, draws: Draws, taken: set[str]) -> tuple[str, str]:
    """Return name and address of a party; no two parties have the same name."""

    def name(attempt: int) -> str:
        if person:
            return " ".join(_letters(draws, 4, "person", party, part, attempt) for part in ("first", "last"))
        form = words.FORMS[draws.number(0, len(words.FORMS) - 1, "company", party, "form", attempt)]
        return f"{_letters(draws, 6, 'company', party, attempt)} {form}"

    return _unused(taken, name), _address(draws, "party", party)


def _unused(taken: set[str], drawn: Callable[[int], str]) -> str:
    attempt = 0
    while (found := drawn(attempt)) in taken:
        attempt += 1
    taken.add(found)
    return found


def _letters(draws: Draws, count: int, *purpose: object) -> str:
    numbers = [draws.number(0, 25, "letters", *purpose, i) for i in range(count)]
    return "".join(string.ascii_lowercase[number] for number in numbers).capitalize()


def _address(draws: Draws, *purpose: object) -> str:
    number = draws.number(0, 999, "address", *purpose)
    street = words.STREETS[draws.number(0, len(words.STREETS) - 1, "street", *purpose)]
    return f"{number:03d} {_letters(draws, 6, 'road', *purpose)} {street}"


def _day(draws: Draws, edge: str, attempt: int) -> str:
    day = date.fromordinal(draws.number(FIRST_DAY, LAST_DAY, "date", edge, attempt))
    return day.strftime("%d-%m-%Y")
