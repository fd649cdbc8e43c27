"""The figures of one stream, by the names of the metrics."""

from __future__ import annotations

from dataclasses import dataclass
from operator import sub

from chatproof.loadtests.readers.reading import Reading


@dataclass(frozen=True, slots=True)
class StreamFigures:
    """What one stream adds to each metric that it has a figure for, in the metric's unit. `gaps`: seconds between its
    tokens, in order."""

    values: dict[str, float]
    gaps: list[float]

    @classmethod
    def of(cls, reading: Reading) -> StreamFigures:
        """The figures of a parsed stream. A reply that failed has no end-to-end time and no rate."""
        recording, tokens, whole = reading.recording, reading.token_times, reading.whole
        values: dict[str, float] = {}
        if recording.connected_at is not None:
            values["connect"] = recording.connected_at - recording.asked_at
        if recording.plain:
            return cls(values if whole is None else {**values, "plain": whole}, [])
        if not tokens:
            return cls(values, [])
        if reading.first_token is not None:
            values["ttft"] = reading.first_token
        gaps = list(map(sub, tokens[1:], tokens))
        if gaps:
            values["largest_gap"] = max(gaps)
            # as vLLM, aiperf and GuideLLM define it; tokens that came in one read do not spoil it
            values["time_per_output_token"] = (tokens[-1] - tokens[0]) / len(gaps)
        if whole is not None:
            values["end_to_end"] = whole
            if whole > 0:
                values["tokens_per_second"] = len(tokens) / whole
        if recording.stopped_at is not None and recording.listened:
            values["stop_to_last_token"] = tokens[-1] - recording.stopped_at
        return cls(values, gaps)
