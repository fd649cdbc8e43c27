"""Session ids as nobody expects them."""

from __future__ import annotations

# In each, `{}` becomes a fresh name, so that sessions of an earlier run do not interfere.
ODD_IDS = (
    "with some spaces {}",
    "dots.in.{}",
    "tréma-日本語-🙂-{}",
    "percent%20literal-{}",
    "plus+and&ampersand=1;2-{}",
    "quote\"'<b>{}",
    "{:x<256}",
)
UNROUTABLE_IDS = ("a/{}", "../{}", "..\\{}", "a//{}", "%2e%2e%2f{}", "null\x00byte {}", "line\nbreak {}", "/{}", "{}/")
NO_NAMES = (".", "..")
INBORN_IDS = ("__proto__", "constructor", "toString", "__class__")  # what objects have of their own in some languages
# Different ids that become the same where a server makes file names of them, decodes them twice, lets a database
# compare them that sees no accents, or takes a part of them: of a key, or what stands before the fragment of a URL.
ALIKE = (
    *("a b {}", "a_b_{}", "a-b-{}", "a/b/{}", "a.b.{}", "a+b+{}", "a%20b%20{}", "à b {}", "ab{}"),
    *("user:{}:1", "user:{}:2", "team:{}:1", "{}#1", "{}#2"),
)
# The same where it takes them for numbers; in each, `{}` becomes a fresh number.
NUMBERS_ALIKE = ("{}", "0{}", "{}.0", "{}abc")
