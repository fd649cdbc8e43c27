"""Every command of README.md and docs/ is run by somebody."""

from __future__ import annotations

from tests.documented_commands import commands_in, documented, ledger, problems

PAGE = """\
Text with `chatproof check`, and a list:

    chatproof check --base-url URL   # a comment
    $ chatproof check --only SSE \\
          --start "x # y"
    seen: chatproof says no

```sh
curl -iN http://127.0.0.1:5000 > a.txt

# a comment
for one in 1 2; do echo "$one"; done
```

```console
$ ls -l
chatproof check
```

```text
chatproof: PASS
```
"""


def test_what_is_a_command() -> None:
    assert sorted(commands_in(PAGE)) == sorted(
        [
            "chatproof check --base-url URL",
            'chatproof check --only SSE --start "x # y"',
            "curl -iN http://127.0.0.1:5000 > a.txt",
            'for one in 1 2; do echo "$one"; done',
            "ls -l",
        ]
    )


def test_somebody_runs_every_command() -> None:
    assert problems() == []
    assert len(documented()) > 40
    assert all(one.why and one.test for one in ledger()["slow"])
    assert all(one.test for one in ledger()["tested"])
