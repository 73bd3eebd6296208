"""How the page draws markdown and code: what it makes of a text, that it makes the same of it in pieces, and that nothing in a
text is ever more than text."""

import random
import unittest

from pages import Page

SEED = 7
RENDER = "const place = document.createElement('div'); tercet.render_markdown(place, arguments[0]); return place.innerHTML;"

TEXTS = {
    "a *b* **c** ***d*** ~~e~~ `f*g*` \\*h\\*": "<p>a <em>b</em> <strong>c</strong> <em><strong>d</strong></em> <del>e</del> <code>f*g*</code> *h*</p>",
    "snake_case_name and _this_ and 2 * 3 * 4": "<p>snake_case_name and <em>this</em> and 2 * 3 * 4</p>",
    "**bold *both* bold** *open **closed* x": "<p><strong>bold <em>both</em> bold</strong> *open *<em>closed</em> x</p>",
    "`` a ` b `` and `open": "<p><code>a ` b</code> and `open</p>",
    "# One #\n## Two\ntext\n\nthree\n---\nfour\n\n---": '<h3 class="level-1">One</h3><h4 class="level-2">Two</h4><p>text</p><h4 class="level-2">three</h4><p>four</p><hr>',
    "#no heading\n####### none": "<p>#no heading\n####### none</p>",
    "a  \nb\\\nc\nd": "<p>a<br>\nb<br>c\nd</p>",
    "- a\n- b\n  - c\n    more\n- d": "<ul><li>a</li><li>b<ul><li>c\nmore</li></ul></li><li>d</li></ul>",
    "1. a\n  - b\n2. c": "<ol><li>a<ul><li>b</li></ul></li><li>c</li></ol>",
    "3. a\n\n   b\n4. c": '<ol start="3"><li><p>a</p><p>b</p></li><li><p>c</p></li></ol>',
    "* a\n\n1) b": "<ul><li>a</li></ul><ol><li>b</li></ol>",
    "-\ta\n\t- b": "<ul><li>a<ul><li>b</li></ul></li></ul>",
    "text\n2. none": "<p>text\n2. none</p>",
    "> a\nb\n> > c\n\nd": "<blockquote><p>a\nb</p><blockquote><p>c</p></blockquote></blockquote><p>d</p>",
    "&lt;b&gt; &amp; &copy; <b>": "<p>&lt;b&gt; &amp; &amp;copy; &lt;b&gt;</p>",
    "a | b\nc": "<p>a | b\nc</p>",
}
LINK = ' rel="noopener noreferrer" target="_blank"'
LINKS = {
    "[a *b*](https://x.example/a_(b)?c=d \"t\")": f'<p><a href="https://x.example/a_(b)?c=d"{LINK}>a <em>b</em></a></p>',
    "see https://x.example/a, (http://y.example/b).": f'<p>see <a href="https://x.example/a"{LINK}>https://x.example/a</a>, (<a href="http://y.example/b"{LINK}>http://y.example/b</a>).</p>',
    "<https://x.example>": f'<p><a href="https://x.example/"{LINK}>https://x.example</a></p>',
    "![alt](https://x.example/i.png)": f'<p><a href="https://x.example/i.png"{LINK}>alt</a></p>',
    "[a](<https://x.example/a b>)": f'<p><a href="https://x.example/a%20b"{LINK}>a</a></p>',
    "[a [b](https://x.example) c](https://y.example)": f'<p>[a <a href="https://x.example/"{LINK}>b</a> c](<a href="https://y.example/"{LINK}>https://y.example</a>)</p>',
    "[here](docs/a.md) [b](mailto:a@b.c) [c]": "<p><span>here</span> <span>b</span> [c]</p>",
}
HOSTILE = [
    "<script>window.pwned = 1</script>", "<img src=x onerror='window.pwned = 1'>", "<svg/onload=window.pwned=1>", "<iframe srcdoc='<script>parent.pwned=1</script>'></iframe>",
    "[a](javascript:window.pwned=1)", "[a](JaVaScRiPt:window.pwned=1)", "[a](java\tscript:window.pwned=1)", "[a](&#106;avascript:window.pwned=1)", "[a](\x01javascript:window.pwned=1)",
    "[a](data:text/html,<script>window.pwned=1</script>)", "[a](vbscript:x)", "[a](//evil.example)", "[a](https:evil)", "[a](file:///etc/passwd)", "[a](blob:https://x.example/1)",
    "<javascript:window.pwned=1>", "![a](javascript:window.pwned=1)", "![a](https://evil.example/pixel.png)", "[a](https://x.example/\" onmouseover=\"window.pwned=1)",
    "[a](https://x.example 'x' onclick=window.pwned=1)", "https://x.example/\"onmouseover=window.pwned=1", "`<script>window.pwned=1</script>`",
    "```html\n<script>window.pwned=1</script>\n<img src=x onerror=window.pwned=1>\n```", "```\"onload=window.pwned=1 <b>\nx\n```", "```__proto__\nx\n```", "```constructor\nx\n```",
    "| <script>window.pwned=1</script> |\n|-|\n| <img src=x onerror=window.pwned=1> |", "# <script>window.pwned=1</script>", "> <style>*{display:none}</style>",
    "- <form action=https://evil.example><input name=a>", "<a href='javascript:window.pwned=1'>a</a>", "\u202e<script>\u0000window.pwned=1</script>", "{{constructor.constructor('window.pwned=1')()}}",
    "1. [x](<javascript:window.pwned=1>)", "**[a](javascript:window.pwned=1)**", "<base href=https://evil.example>", "<meta http-equiv=refresh content='0;url=https://evil.example'>",
]
# What a text may become, and the attributes that these may have.
INERT = """
const tags = new Set('p h3 h4 h5 h6 ul ol li blockquote hr br em strong del code pre figure figcaption span a button svg path div table thead tbody tr th td input'.split(' '));
const names = new Set('class href rel target start type disabled checked aria-label aria-hidden title tabindex role scope viewBox width height focusable d fill stroke stroke-width stroke-linecap stroke-linejoin'.split(' '));
const out = [];
for (const e of arguments[0].querySelectorAll('*')) {
  if (!tags.has(e.localName)) out.push(e.outerHTML);
  for (const a of e.attributes) if (!names.has(a.name)) out.push(a.name + ' ' + e.outerHTML);
  if (e.localName === 'a' && !(/^https?:\\/\\/[^/]/.test(e.getAttribute('href')) && e.rel.includes('noopener') && e.target === '_blank')) out.push(e.outerHTML);
}
return out;
"""
# The same text in pieces: after each of them, and at the end, beside the whole.
PIECES = """
const [text, cuts] = arguments;
const place = document.createElement('div'), whole = document.createElement('div');
const markdown = new tercet.Markdown(place);
let at = 0;
for (const cut of [...cuts, text.length]) { markdown.push(text.slice(at, cut)); markdown.draw(); at = cut; }
markdown.draw(true);
tercet.render_markdown(whole, text);
place.normalize(); whole.normalize();
return [place.innerHTML, whole.innerHTML, markdown.n_read];
"""
LONG = """## Title

Some *text* with `code`, and
a second line.

1. one
2. two
   ```js
   const a = `x
   y`; // c
   ```
3. three

| a | b |
|---|--:|
| 1 | 2 |

```python
def f():
    '''a
    b'''
    return 1

```

> quote
> - list

Setext
===

- [ ] to do
- [x] done

~~~
~~~
```
an open block
"""
CODE = {
    "python": ("x = 'a' # b\n'''c\nd''' + f(1)", [("s", "'a'"), ("c", "# b"), ("s", "'''c"), ("s", "d'''"), ("f", "f"), ("n", "1")]),
    "js": ("const a = `b\n${c}` /* d\n*/ + true", [("k", "const"), ("s", "`b"), ("s", "${c}`"), ("c", "/* d"), ("c", "*/"), ("t", "true")]),
    "c++": ("#include <a>\nint f() { return 'c'; } // d", [("k", "#include"), ("t", "int"), ("f", "f"), ("k", "return"), ("s", "'c'"), ("c", "// d")]),
    "rust": ("fn f<'a>(x: &'a str) -> char { 'b' }", [("k", "fn"), ("f", None), ("t", "str"), ("t", "char"), ("s", "'b'")]),
    "go": ("func f() error { return nil }", [("k", "func"), ("f", "f"), ("t", "error"), ("k", "return"), ("t", "nil")]),
    "java": ("public int x = 0x1F;", [("k", "public"), ("t", "int"), ("n", "0x1F")]),
    "sh": ("for i in $A; do echo \"b\"; done # c", [("k", "for"), ("k", "in"), ("a", "$A"), ("k", "do"), ("t", "echo"), ("s", '"b"'), ("k", "done"), ("c", "# c")]),
    "sql": ("SELECT count(*) FROM t -- c", [("k", "SELECT"), ("t", "count"), ("k", "FROM"), ("c", "-- c")]),
    "json": ('{"a": "b", "c": [1, null]}', [("a", '"a"'), ("s", '"b"'), ("a", '"c"'), ("n", "1"), ("t", "null")]),
    "html": ("<p class=\"a\">b</p> <!-- c\nd -->", [("k", "<p"), ("a", "class"), ("s", '"a"'), ("k", ">"), ("k", "</p>"), ("c", "<!-- c"), ("c", "d -->")]),
    "css": (".a { color: red } /* b */", [("a", "color"), ("c", "/* b */")]),
    "yaml": ("a: 1 # b", [("a", "a"), ("n", "1"), ("c", "# b")]),
    "diff": ("-a\n+b\n c", [("del", "-a"), ("ins", "+b")]),
}


class Markdown(Page):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.browser.show()
        cls.browser.go(cls.server.url + "/")

    def render(self, text):
        return self.browser.js(RENDER, text)

    def test_what_a_text_becomes(self):
        for text, wanted in (TEXTS | LINKS).items():
            with self.subTest(text=text):
                self.assertEqual(self.render(text), wanted)

    def test_tables_and_code(self):
        html = self.render("a | b\n:-- | --:\n`x` | y \\| z\nshort\n\n```c++ title=x\nint a;\n\n```\nend")
        self.assertIn("<thead><tr><th scope=\"col\">a</th><th class=\"right\" scope=\"col\">b</th></tr></thead>", html)
        self.assertIn("<tr><td><code>x</code></td><td class=\"right\">y | z</td></tr><tr><td>short</td></tr>", html)
        self.assertIn("<figcaption><span>c++</span><button", html)
        self.assertIn('<code><span class="x-t">int</span> a;\n\n</code></pre></figure><p>end</p>', html)

    def test_the_same_in_pieces(self):
        rng = random.Random(SEED)
        for text in [LONG, *TEXTS, *LINKS, *HOSTILE]:
            for cuts in ([], list(range(1, len(text))), sorted(rng.sample(range(len(text)), min(5, len(text))))):
                with self.subTest(text=text[:40], cuts=cuts[:5], seed=SEED):
                    pieces, whole, _ = self.browser.js(PIECES, text, cuts)
                    self.assertEqual(pieces, whole)

    def test_a_long_answer_is_read_about_once(self):
        for part in (LONG.removesuffix("an open block\n") + "```\n\n", "A paragraph of some words.\n\n", "x = 1\n"):
            begin = "```python\n" if part.startswith("x") else ""
            text = begin + part * (60_000 // len(part))
            longest = max(len(block) for block in part.split("\n\n"))
            n_read = self.browser.js(PIECES, text, list(range(4, len(text), 4)))[2]
            # Each block is read again for each piece of it, and for those of the next one's first line; code is read by lines.
            self.assertLess(n_read, len(text) * (longest + 40) / 2, part[:20])

    def test_long_texts_of_open_marks_come_to_an_end(self):
        # In a time that went with the square of the length each of these would take minutes: a script may take one.
        for part in ("*", "**a ", "_a_", "[", "[a](", "![", "](", "`", "`` ` ", "<http://", "~~a", "\\", "&amp", "> ", "- ", "1. a\n ", "|", "a|\n-|\n", "# ", "***", "*a **b", "http://", "(", "\n\n", "\t"):
            with self.subTest(part=part):
                self.assertGreater(self.browser.js("const place = document.createElement('div'); tercet.render_markdown(place, arguments[0]); return place.textContent.length + 1;", part * (200_000 // len(part))), 0)
        # Openers that none of the closers fits, which each of these would look through again.
        self.browser.js("tercet.render_markdown(document.createElement('div'), '*a '.repeat(150000) + 'b_ '.repeat(150000))")
        depth = self.browser.js("""const place = document.createElement('div'); tercet.render_markdown(place, '> '.repeat(5000) + '*a '.repeat(5000) + 'b*'.repeat(5000));
            let n = 0; for (let e = place; e; e = [...e.children].at(-1) ?? null) ++n; return n;""")
        self.assertLess(depth, 60)

    def test_hostile_texts_are_text(self):
        self.browser.complaints()
        self.browser.requests()
        for text in [*HOSTILE, "\n\n".join(HOSTILE)]:
            with self.subTest(text=text[:60]):
                self.browser.js("document.querySelector('#log').replaceChildren(); tercet.render_markdown(document.querySelector('#log'), arguments[0])", text)
                self.assertEqual(self.browser.js(INERT, self.one("#log")), [])
                for link in self.all("#log a"):
                    self.browser.js("arguments[0].dispatchEvent(new MouseEvent('mouseover', {bubbles: true}))", link)
        self.browser.settle()
        self.assertIsNone(self.browser.js("return window.pwned ?? null"))
        self.assert_calm()

    def test_code_is_coloured_line_by_line(self):
        for language, (text, wanted) in CODE.items():
            with self.subTest(language=language):
                seen = self.browser.js("const h = new tercet.Highlighter(arguments[0]); return arguments[1].split('\\n').map((l) => h.line(l))", language, text)
                self.assertEqual("\n".join("".join(piece for _, piece in line) for line in seen), text)
                flat = [tuple(piece) for line in seen for piece in line]
                for kind, piece in wanted:
                    if piece is not None:
                        self.assertIn((kind, piece), flat)

    def test_copying(self):
        self.browser.driver.execute_cdp_cmd("Browser.grantPermissions", {"origin": self.server.url, "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]})
        self.browser.js("document.querySelector('#log').replaceChildren(); document.querySelector('#welcome').hidden = true; tercet.render_markdown(document.querySelector('#log'), '```python\\nif a < b:\\n    pass\\n```')")
        self.press("#log button[aria-label='Copy the code']")
        self.wait(lambda: self.text("#say", True) == "Copied")
        self.assertEqual(self.browser.driver.execute_async_script("navigator.clipboard.readText().then(arguments[0])"), "if a < b:\n    pass\n")


if __name__ == "__main__":
    unittest.main()
