"""What the provider says in tests of a reply's text: scripts as TOML, and the texts that they say."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from chatproof.fake_providers.journal.entry import Entry
from chatproof.fake_providers.scripting.wire_table import WIRES, Form, wires_of

# Text that filters eat, by what is odd about it. The texts between make each part unlike the others.
FILTERED: Mapping[str, Sequence[str]] = {
    "tokens like the one before or the beginning of the text": ("ha", "haha", " It is very", " very", " very", " good"),
    "tokens that are blank": (": one", " ", "two", "  ", "three", "\n", "four", "\n\n", "five", "\t", "six"),
    "digits that repeat": (", the year 1", "8", "3", "3", ", the number 666", "666", "6"),
    "tokens that overlap": (", the command aws s", "so login"),
    "a token `0`": (", from ", "0", " to 1", "0"),
    "tokens like words of programs": (
        ", then ",
        "null",
        ", ",
        "undefined",
        ", ",
        "false",
        ", ",
        "None",
        ", ",
        "NaN",
    ),
    "marks of Markdown": ("\n# Title\n", "**bold**", " _x_", " ~~no~~", "\n- item\n", "> quote\n", "* * *"),
    "marks of footnotes": (", see [1]", "[2]", " and 【3†source】"),
    "a token that comes eight times": (", a line ", *("=",) * 8),
    "typography and formulas": (' "so" -- it... (c) 1/2 x 3 <3 :smile:', " \\(x^2\\)", " $a$ %d %s {0}"),
    "addresses and generics": (" at https://example.org/a_b?c=1&d=2#e", " <anna@example.org>", " List<String>"),
    "indented and equal lines": ("\n    four blanks\n\ta tab\n", "again\n", "again\n", "  again\n"),
    "entities and tags": (", with &lt;b&gt;", " &#39;", " and <s>old</s>"),
    "a byte order mark": (", a mark\ufeff ", "\ufeff", "inside \ufeffit."),
    "lines that report an error": ("\n", "Error", ": it failed", "\n", "[ERROR] ", "Error: again", "\n"),
    "lines of a dialogue": (
        ", he wrote:",
        "\nUser:",
        " Hi.",
        "\nAssistant: Hello.\n",
        "\n### Human",
        ": Bye.\n",
        "AI: Bye.\n",
    ),
}
ENDINGS = {  # by what the reply ends in, or begins with
    "`<` at its end": ("It is so if 3 ", "<"),
    "half a tag at its end": ("The tag begins with ", "<", "thi"),
    "half a tag with an attribute at its end": ("The link begins with ", "<a", ' href="ht'),
    "half a fence at its end": ("The code begins with ", "``"),
    "`Error:` at its beginning": ("Error", ": 404", " means that nothing is there."),
}
NUL = ("A zero\u0000", "\u0000", " inside\u0000it.")

THOUGHT_WITH_TEXT = """
about = "The model thinks; its last thought comes together with the first text."
wire = "thought-with-text"
[[steps]]
thinking = ["Should I count?", " I count to two."]
[[steps]]
tokens = ["One", " and", " two."]
"""

LARGE = {  # by what is large about it
    "64 KB in 32 tokens of 2 KB": tuple(f"{number:02d} {'plain words ' * 171}"[:2048] for number in range(32)),
    "3,000 tokens": (*"abcdefghijklmnopqrstuvwx", "y ") * 120,  # short ones: `partial` makes the traffic quadratic
    "one token of 8 KB": ("Here it is: ", f"{'one long token ' * 547}"[:8192], " and that was it."),
}
# Letters that are changed where a history is stored or shown: escaped, collapsed, filled in, or too wide for a table.
ODD_LETTERS = (
    ', and I wrote: 3 < 4 && "naïve" isn\'t <b>bold</b>, 你好 👍🏽,\n    two  blanks; a\\b {name} {{x}} %s $$ $&'
)
ODD_GREETING = (
    *("Good morning,", ' "Ferdinand"', " & co: 3 < 4,", " <i>naïve</i>", " **你好** 👍🏽\n"),
    *("    two  blanks;", " a\\b", " {name}", " {{x}} %s", " $$ $&", " isn't it."),
)
LAYOUT = (
    "Here is the  whole list:\n\n",
    "1.  First   item,\n2.  second\titem,\n\n\n",
    "    indented code\n        with    runs of blanks\r\n",
    "and a last line that makes the text longer than the first hundred characters, and ends here.",
)
# A text of 1,200 characters that ends as a sentence does: nothing but the missing finish reason shows the cut.
CUT_LATE = """
about = "Thirty sentences, then the response ends cleanly, without a finish reason or [DONE]."
[timing]
inter_token_ms = 2
[[steps]]
tokens = [{}]
[[steps]]
fault = "close"
""".format(", ".join(f'"Sentence {number} of many goes on for a while. "' for number in range(1, 31)))
# What models write and what some render: fences, tables, emphasis and formulas that one token opens and another closes.
MARKED_UP = (
    *("Try this:\n\n", "```python\n", "count = 1\n", "```\n\n", "| a | b |\n"),
    *("|---|---|\n", "| 1 | 2 |\n\n", "It is **very", " much** so: $$x", " = 1$$."),
)
PAUSE = 2  # ms: what is due at one time is one write, and then every wire would be `batched`
READ = ("Grüße", " aus", " Köln", ":", " 你好", ",", " 👩‍👩‍👧", " and", " 🇩🇪", " fly", " over", " the", " house", ".")


def says(about: str, tokens: Sequence[str], wire: str = "plain", pause: int = 0) -> str:
    """A script that says these tokens, as TOML. `pause`: ms between them."""
    first = f"about = {json.dumps(about)}\nwire = {json.dumps(wire)}\n[timing]\ninter_token_ms = {pause}\n"
    return f"{first}[[steps]]\ntokens = {json.dumps(tokens, ensure_ascii=False)}\n"


def named(prefix: str, texts: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, str]]:
    """By a script's name: what is odd about its text, and the script."""
    return {
        f"{prefix}-{number}": (what, says(f"A reply with {what}.", tokens))
        for number, (what, tokens) in enumerate(texts.items(), start=1)
    }


def form_of(entry: Entry) -> Form | None:
    """In which form the provider answers a request; None where it cannot be told."""
    path, _, query = entry.path.partition("?")
    if "streamGenerateContent" in path:
        return "gemini" if "alt=sse" in query else "gemini-array"
    forms: dict[str, Form] = {
        "/chat/completions": "chat",
        "/responses": "responses",
        "/v1/messages": "messages",
        "/api/chat": "ollama",
        "/api/generate": "ollama",
    }
    return next((form for end, form in forms.items() if path.endswith(end)), None)


def wired(form: Form) -> dict[str, tuple[str, str]]:
    """By a script's name: a wire of that form in words, and the script that is written in it."""
    return {
        f"wired-{name}": (f"`{name}` ({WIRES[name].what})", says(f"A reply with the wire {name}.", READ, name, PAUSE))
        for name in wires_of(form)
    }
