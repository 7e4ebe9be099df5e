"""The contracts: what the compiler promises, the published graphs, and how a tiny model learns and forgets them."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from lethe.errors import ConfigurationError
from lethe.worlds.pistol import GRAPHS, Contracts, Edge, Graph, compiled, graph_named
from lethe.worlds.pistol.graph import parted


@pytest.fixture(scope="module", params=["sample_1", "sample_2"])
def contracts(request):
    return compiled(GRAPHS[request.param], seed=3)


def test_the_same_seed_writes_the_same_bytes_in_another_process():
    script = (
        "from lethe.worlds.pistol import GRAPHS, compiled\n"
        "print([row for contract in compiled(GRAPHS['sample_1'], 3) for row in contract.rows])"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    own = [row for contract in compiled(GRAPHS["sample_1"], 3) for row in contract.rows]
    assert said.strip() == str(own)
    assert own != [row for contract in compiled(GRAPHS["sample_1"], 4) for row in contract.rows]


def test_every_contract_is_asked_twenty_different_questions_with_short_answers(contracts):
    rows = [row for contract in contracts for row in contract.rows]
    assert set(Counter(row.edge for row in rows).values()) == {20}
    assert len({row.question for row in rows}) == len(rows)
    assert all(row.answer.endswith(".") and len(row.answer) < 60 for row in rows)
    assert not any("{" in row.question + row.answer for row in rows)


def test_a_party_has_one_name_and_address_in_all_its_contracts(contracts):
    found: dict[str, set[tuple[object, object]]] = {}
    for contract in contracts:
        roles = ("seller", "customer") if contract.edge.kind == "sale" else ("employer", "employee")
        parties = {(contract.terms[role], contract.terms[f"{role}_address"]) for role in roles}
        for name in contract.edge.parties:
            found[name] = found.get(name, parties) & parties
    degrees = {party: sum(party in contract.edge.parties for contract in contracts) for party in found}
    assert all(len(found[party]) == (1 if degree > 1 else 2) for party, degree in degrees.items())
    names = {name for contract in contracts for key, name in contract.terms.items()
             if key in ("seller", "customer", "employer", "employee")}  # fmt: skip
    assert len(names) == len(found)


def test_the_total_price_is_the_product_and_both_sides_sell(contracts):
    sales = [contract.terms for contract in contracts if contract.edge.kind == "sale"]
    assert all(terms["total"] == terms["quantity"] * terms["price"] for terms in sales)
    assert all(1 <= terms["quantity"] <= 100 and 3 <= terms["cooling_off_days"] <= 14 for terms in sales)
    assert {terms["payment_days"] for terms in sales} <= {5, 10, 15, 20, 25, 30}
    # The parties of A_B and of all other sales of A: A is the seller of some and the customer of others, by a coin.
    hub = Counter(name for terms in sales for name in [terms["seller"]])
    assert 1 < len(hub) < len(sales) + 1


def test_a_further_contract_changes_no_other():
    fewer = compiled(graph_named("sale=A_B,A_C"), 1)
    more = compiled(graph_named("sale=A_B,A_C,C_D;employment=A_m"), 1)
    assert more[:2] == fewer


def test_the_published_graphs_have_their_counts():
    sample = GRAPHS["sample_1"]
    assert Counter(edge.kind for edge in sample.edges) == {"sale": 10, "employment": 10}
    assert (sample.degree("A"), sample.degree("B"), sample.degree("C")) == (8, 7, 1)
    groups = Counter(int(edge.parties[0]) // 10 for edge in GRAPHS["sample_2"].edges)
    assert groups == {0: 9, 1: 21, 2: 45}
    assert len(GRAPHS["sample_2"].parties) == 30
    assert all(GRAPHS["sample_2"].degree(str(party)) == 9 for party in range(20, 30))


def test_edges_are_told_apart_by_what_links_them_to_the_forget_set():
    direct, linked, others = parted(GRAPHS["sample_1"].names, ["A_C"])
    assert set(direct) == {name for name in GRAPHS["sample_1"].names if name.startswith("A_")} - {"A_C"}
    assert set(linked) == {"B_D", "B_D2", "B_D3", "B_p", "B_p2", "B_p3"}
    assert set(others) == {"E1_F1", "E2_F2", "E3_F3", "E1_q1", "E2_q2", "E3_q3"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sample_3", "no graph 'sample_3'; did you mean 'sample_"),
        ("sale=A_B,B_A", "'B_A' and 'A_B' join the same parties"),
        ("sale=A_B;employment=A_B", "join the same parties"),
        ("sale=A_A", "name two different parties"),
        ("sale=A-B", "'A-B' is no contract"),
        ("sales=A_B", "no kind of contract; did you mean 'sale'"),
        ("sale=A_m;employment=A_n,B_m", "'m' is employed and has a company's contract"),
        ("sale=", "at least one contract"),
    ],
)
def test_what_is_no_graph_is_refused(text, message):
    with pytest.raises(ConfigurationError, match=message):
        graph_named(text)


def test_a_world_needs_something_to_forget_and_something_to_keep():
    for forget, message in (("", "names none"), ("A_B,A_C", "names all"), ("A_D", "no contract 'A_D'; did you mean")):
        with pytest.raises(ConfigurationError, match=message):
            Contracts(graph="sale=A_B,A_C", forget=forget).make_sets()


def test_the_sets_of_the_world_share_no_question():
    forget, retain, holdout = Contracts().sets
    assert (len(forget), len(retain), len(holdout)) == (20, 380, 60)
    prompts = [set(examples["prompt"]) for examples in (forget, retain, holdout)]
    assert len(set.union(*prompts)) == sum(map(len, prompts))
    assert set(forget["edge"]) == {"A_B"}


def test_graphs_are_values():
    assert Graph((Edge("A_B"),)) == graph_named("sale=A_B")
