"""Strings that want to be more than text, and how to see whether one has become markup."""

from __future__ import annotations

from collections import Counter
from html.parser import HTMLParser

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=window.__pwned=1>",
    "<script>window.__pwned=1</script>",
    "</pre></code></div></body><h1>gone</h1>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    '" autofocus onfocus="alert(1)',
    "javascript:alert(1)",
    "<svg/onload=alert(1)>",
    "<a href=javascript:alert(1)>x</a>",
    "<!-- --><iframe srcdoc='<script>alert(1)</script>'>",
    "{{ 7 * 7 }}{% raw %}",
    "${7*7} #{7*7} <%= 7 %>",
    "&lt;b&gt; &#60;b&#62; &amp;",
    "\u202eevil\u202c \u200b \ufeff",
    "__proto__",
    "../../../etc/hosts",
    "%3Cscript%3E %00 %0d%0aSet-Cookie: a=b",
    "line\nbreak\r\nSet-Cookie: a=b\ttab",
    "😀 größer 日本語 שלום",
    "x" * 3000,
    "]]><x>",
    "<style>*{display:none}</style><base href=//evil.example/>",
    "`backtick` \\ ' \"",
)


class Tags(HTMLParser):
    """Counts elements with the names of their attributes, and keeps the values of attributes that lead somewhere else."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.counted: Counter[str] = Counter()
        self.addresses: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counted[" ".join([tag, *sorted(name for name, _ in attrs)])] += 1
        if ("class", "skip") not in attrs:
            self.addresses += [value or "" for name, value in attrs if name in {"href", "src", "action", "formaction"}]

    def handle_data(self, data: str) -> None:
        self.text += data
