"""RES: the text of a reply that came in pieces, since its client left and resumed it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chatproof.harness.protocol.checks.tok import same_words
from chatproof.harness.protocol.excerpts import counted, shown
from chatproof.harness.protocol.sse_parser import Event
from chatproof.harness.protocol.text_loss import loss
from chatproof.harness.protocol.transcript import End, Transcript

BEGINNING = 12  # characters by which a text that begins anew is known
SHOWN = 60  # characters of what was lost or doubled


def last_event_id(transcripts: Iterable[Transcript]) -> str:
    """The id that a browser's EventSource would send to resume after these streams, oldest first; empty: it has none.

    As the standard says (WHATWG HTML, 9.2.6), only whole events count, and an id with a NUL in it does not.
    """
    found = ""
    for transcript in transcripts:
        for item in (stamped.item for stamped in transcript.items):
            if isinstance(item, Event) and item.closed:
                ids = [field.value for field in item.fields if field.name == "id" and "\0" not in field.value]
                found = ids[-1] if ids else found
    return found


def text_of_whole_events(transcript: Transcript) -> str:
    """The text of a stream that its client left, without that of an event whose end it did not get."""
    items = [stamped.item for stamped in transcript.items]
    if not (cut := [item for item in items if isinstance(item, Event) and not item.closed]):
        return transcript.text
    whole = Transcript(transcript.transport, api=transcript.api)
    whole.read(0.0, transcript.body[: cut[0].start])
    whole.ended(0.0, End.LEFT)
    return whole.text


def fault_of_pieces(had: Sequence[str], got: str, text: str) -> str:
    """What is wrong with a reply that came in pieces, in words, or nothing.

    Args:
        had: what came in each stream that the client left, oldest first.
        got: what came in the last one. It is well if that is all of `text`, or the rest of it behind some of `had`:
            each of those may have begun anew.
    """
    if any(same_words("".join([*had[number:], got]), text) for number in range(len(had) + 1)):
        return ""
    if not got.strip():
        return "nothing of the rest came"
    joined = ["".join(had[number:]) for number in range(len(had))]
    before = next((one for one in joined if text.startswith(one)), "".join(had))
    if before and text.startswith(before) and text.endswith(got):
        gap = len(text) - len(got) - len(before)
        if gap > 0:
            lost = text[len(before) : len(before) + gap]
            return f"{counted(gap, 'character')} between the two are lost: {shown(lost, SHOWN)}"
        return f"{counted(-gap, 'character')} that it had came again: {shown(got[:-gap], SHOWN)}"
    begins_anew = text.startswith(got[:BEGINNING]) and not text.startswith(before + got[:BEGINNING])
    whole, what = (got, "the last stream") if begins_anew else (before + got, "all together")
    if len(whole) > len(text):
        return f"{counted(len(whole) - len(text), 'character')} too many: {loss(whole, text)}"
    lost = f"{counted(len(text) - len(whole), 'character')} are lost; " if len(whole) < len(text) else ""
    return f"{lost}{what}: {loss(whole, text)}"
