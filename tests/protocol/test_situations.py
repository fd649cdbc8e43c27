"""Situations and their covering array."""

from __future__ import annotations

import pytest

from chatproof.harness.protocol.requirements import contract
from chatproof.harness.protocol.situations.axes import AXES, COMPANY, PLACE, REQUEST, SIZE, TRANSPORT, WIRE, value_of
from chatproof.harness.protocol.situations.covering_array import alone, covering_array, pairs_of
from chatproof.harness.protocol.situations.situation import Situation

OVER_SSE = (REQUEST, PLACE, WIRE, SIZE, COMPANY)
SECOND_OVER_CRLF = Situation((("place", "second"), ("wire", "framing")))


@pytest.mark.parametrize("axes", [OVER_SSE, (TRANSPORT, PLACE, WIRE, SIZE, COMPANY), OVER_SSE[:2]])
@pytest.mark.parametrize("seed", [1, 2, 77])
def test_every_pair_of_odd_values_meets(axes: tuple[object, ...], seed: int) -> None:
    chosen = [axis for axis in AXES if axis in axes]
    array = covering_array(chosen, seed)
    assert set(pairs_of(chosen)) == {pair for situation in array for pair in situation.pairs}
    largest = sorted(len(axis.values) for axis in chosen)[-2:]
    assert len(array) <= 1.6 * largest[0] * largest[1]


def test_the_array_is_a_function_of_its_seed() -> None:
    assert covering_array(OVER_SSE, 2) == covering_array(OVER_SSE, 2)
    assert covering_array(OVER_SSE, 2) != covering_array(OVER_SSE, 3)


def test_an_axis_without_values_meets_nothing() -> None:
    array = covering_array((REQUEST, PLACE, COMPANY.only(())), 2)
    assert all(situation["company"] == "alone" for situation in array)


def test_each_value_is_tried_alone() -> None:
    plain, socket = Situation(), Situation.of({"transport": "websocket"})
    assert [str(one) for one in alone((SIZE, COMPANY), plain)] == ["size=many", "size=large", "company=beside"]
    assert [str(one) for one in alone((TRANSPORT,), socket)] == ["transport=polling", "transport=upgraded"]
    assert [str(one) for one in alone((COMPANY,), socket)] == ["transport=websocket, company=beside"]


def test_a_situation_is_written_and_read() -> None:
    assert Situation.parse("wire=framing,place = second") == SECOND_OVER_CRLF
    assert Situation.parse(str(SECOND_OVER_CRLF)) == SECOND_OVER_CRLF
    assert str(Situation.parse("place=first")) == "plain"
    assert (SECOND_OVER_CRLF["place"], SECOND_OVER_CRLF["size"]) == ("second", "short")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("plase=second", "there is no axis 'plase'; did you mean place?"),
        ("place=secnod", "place has no value 'secnod'; did you mean second?"),
        ("size", "size has no value ''; known: short, many, large"),
    ],
)
def test_a_wrong_situation_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("?", r"\?")):
        Situation.parse(text)


def test_a_situation_can_be_made_plainer() -> None:
    socket = Situation.of({"transport": "websocket"})
    situation = SECOND_OVER_CRLF.but("transport", "polling")
    assert situation.without([("transport", "polling"), ("place", "third")], socket)["transport"] == "websocket"
    assert situation.beside(socket) == [("transport", "polling"), ("place", "second"), ("wire", "framing")]
    assert situation.holds(SECOND_OVER_CRLF)
    assert socket.with_all(SECOND_OVER_CRLF) == SECOND_OVER_CRLF.but("transport", "websocket")
    assert not SECOND_OVER_CRLF.holds(situation)


def test_each_value_has_a_reason_and_a_row() -> None:
    for axis in AXES:
        assert axis.plain not in {value.name for value in axis.values}
        for value in axis.values:
            assert value.why, value
            assert all(row in contract() for row in value.owners), value
            assert value_of(axis.name, value.name) is value
        assert value_of(axis.name, axis.plain) is None
