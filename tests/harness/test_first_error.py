"""The line that says why a server ended, in what five languages print."""

from __future__ import annotations

import pytest

from chatproof.harness.common.first_error import first_error

NODE = """\
listening on 3000
/app/server.js:2
function onChat({ message }) { return message; }
                  ^

TypeError: Cannot destructure property 'message' of 'undefined' as it is undefined.
    at onChat (/app/server.js:2:19)
    at Timeout._onTimeout (/app/server.js:3:18)
    at process.processTimers (node:internal/timers:519:7)

Node.js v20.20.2
"""
NODE_PROPERTIES = """\
node:internal/process/promises:394
      triggerUncaughtException(err, true /* fromPromise */);
      ^

Error: boom
    at file:///app/server.mjs:1:30
    at node:internal/main/eval_string:51:3 {
  code: 'X',
  [cause]: RangeError: inner
      at file:///app/server.mjs:1:50
}

Node.js v20.20.2
"""
NODE_CODE = """\
node:events:497
      throw er; // Unhandled 'error' event
      ^

Error [ERR_STREAM_WRITE_AFTER_END]: write after end
    at ServerResponse.write (node:_http_outgoing:915:15)
"""
JAVA = """\
Listening
Exception in thread "main" java.lang.IllegalStateException: cannot read the model's name
\tat Server.serve(Server.java:3)
\tat Server.main(Server.java:2)
Caused by: java.lang.NumberFormatException: For input string: "x"
\tat java.base/java.lang.NumberFormatException.forInputString(NumberFormatException.java:67)
\tat java.base/java.lang.Integer.parseInt(Integer.java:668)
"""
GO = """\
2026/11/29 12:00:00 listening on :8080
panic: runtime error: invalid memory address or nil pointer dereference
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x48f2c1]

goroutine 18 [running]:
main.chat(...)
\t/app/main.go:21
created by net/http.(*Server).Serve in goroutine 1
\t/usr/local/go/src/net/http/server.go:3285 +0x4b4
exit status 2
"""
GO_MAPS = """\
fatal error: concurrent map writes

goroutine 35 [running]:
main.remember(0xc000014120)
\t/app/main.go:40 +0x5c
"""
RUBY = """\
== Sinatra has taken the stage on 4567
server.rb:12:in 'Object#chat': undefined method 'upcase' for nil (NoMethodError)

  message.upcase
         ^^^^^^^
\tfrom server.rb:20:in 'block in <main>'
\tfrom server.rb:19:in '<main>'
"""
RUBY_ERRNO = """\
/usr/lib/ruby/socket.rb:201:in 'bind': Address already in use - bind(2) for 127.0.0.1:4567 (Errno::EADDRINUSE)
\tfrom /usr/lib/ruby/socket.rb:201:in 'listen'
"""
PYTHON = """\
INFO: started
Traceback (most recent call last):
  File "/app/json/decoder.py", line 355, in raw_decode
    raise JSONDecodeError("Expecting value", s, err.value) from None
json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/app/server.py", line 4, in <module>
    answer()
app.NoAnswer: no answer from the model
INFO: bye
"""
PYTHON_BARE = """\
Traceback (most recent call last):
  File "/app/server.py", line 9, in <module>
    raise Stop
app.Stop
"""


@pytest.mark.parametrize(
    ("output", "cause"),
    [
        (NODE, "TypeError: Cannot destructure property 'message' of 'undefined' as it is undefined."),
        (NODE_PROPERTIES, "Error: boom"),
        (NODE_CODE, "Error [ERR_STREAM_WRITE_AFTER_END]: write after end"),
        (JAVA, 'Exception in thread "main" java.lang.IllegalStateException: cannot read the model\'s name'),
        (GO, "panic: runtime error: invalid memory address or nil pointer dereference"),
        (GO_MAPS, "fatal error: concurrent map writes"),
        (RUBY, "server.rb:12:in 'Object#chat': undefined method 'upcase' for nil (NoMethodError)"),
        (
            RUBY_ERRNO,
            "/usr/lib/ruby/socket.rb:201:in 'bind': Address already in use - bind(2) for 127.0.0.1:4567 "
            "(Errno::EADDRINUSE)",
        ),
        (PYTHON, "app.NoAnswer: no answer from the model"),
        (PYTHON_BARE, "app.Stop"),
        (PYTHON_BARE.replace("\n", "\r\n"), "app.Stop"),
        ("listening\nbye\n", ""),
        ("", ""),
    ],
    ids=[
        "Node", "Node, properties", "Node, code", "Java", "Go", "Go, fatal", "Ruby", "Ruby, errno", "Python",
        "Python, no text", "CRLF", "no error", "nothing",
    ],
)  # fmt: skip
def test_the_line_that_says_why(output: str, cause: str) -> None:
    assert first_error(output) == cause


def test_the_last_failure_counts() -> None:
    assert first_error("Error: the first\n    at a.js\nError: the second\n    at b.js\n") == "Error: the second"
