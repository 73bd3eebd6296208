"""The page of `tercet contract report` in a browser: what it says, how it is used, and what it makes of hostile receipts."""

import copy
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import browser as browsers

browsers.require_chromium()

import receipts
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

PROGRAM = os.environ["TERCET_PROGRAM"]
FALLEN = ("wgpu", "high", "Kcur-5")


def small(**more):
    return receipts.receipt(n_layer=8, n_expert=16, n_vocab=400, n_position=64, **more)


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.browser = browsers.Browser()
        cls.addClassCleanup(cls.browser.quit)
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)

    def report(self, receipt, *options):
        source, page = self.folder / "receipt.json", self.folder / "report.html"
        source.write_text(json.dumps(receipt))
        run = subprocess.run([PROGRAM, "contract", "report", source, "-o", page, *options], capture_output=True, text=True)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual(run.stdout, "")
        return page

    def open(self, receipt, *options, **window):
        page = self.report(receipt, *options)
        self.browser.show(**window)
        self.browser.requests()
        self.browser.complaints()
        self.browser.open(page)
        return page

    def one(self, selector):
        return self.browser.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.browser.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector):
        return self.one(selector).text

    def panel(self, section, backend):
        return next(p for p in self.all(f"#{section} .panel") if p.find_element(By.CSS_SELECTOR, "h3").text == backend)

    def keys(self, *keys):
        for key in keys:
            self.browser.driver.switch_to.active_element.send_keys(key)

    def precision(self, section, name):
        self.browser.js("arguments[0].click()", self.one(f"#{section} .controls input[value={name}]"))
        self.browser.settle()


class WhatItSays(Page):
    def test_the_verdict_is_on_top_and_the_first_divergence_is_marked(self):
        page = self.open(small(beyond=FALLEN))
        self.assertEqual(self.text("h1"), "FALSIFIED")
        self.assertTrue(self.browser.driver.title.startswith("FALSIFIED - Qwen3-Coder-30B-A3B-Instruct"))
        self.assertIn("PER-LAYER-001 on wgpu", self.text(".lead"))
        self.assertIn("say the same", self.text(".notes"))
        self.assertLess(self.browser.js("return document.querySelector('h1').getBoundingClientRect().bottom"), 400)
        self.assertEqual(self.browser.js("return document.querySelector('main').firstElementChild.id"), "verdict")
        self.assertIn("First divergence: Kcur-5", self.panel("taps", "wgpu").text)
        for backend in ("cpu", "cuda"):
            self.assertIn("No divergence.", self.panel("taps", backend).text)
        self.assertEqual(self.browser.complaints(), [])
        self.assertEqual(self.browser.requests(), [page.as_uri()])

    def test_the_strip_is_coloured_by_error(self):
        self.open(small(beyond=FALLEN))
        # The first row of cells is attn_norm: green up to layer 5, red from layer 6 on.
        pixel = """const canvas = arguments[0], c = canvas.getContext('2d'), w = (canvas.width - 74) / 10;
          return [...c.getImageData(74 + (arguments[1] + 1.5) * w, 16 + 3, 1, 1).data].slice(0, 3);"""
        at = lambda backend, layer: self.browser.js(pixel, self.panel("taps", backend).find_element(By.TAG_NAME, "canvas"), layer)
        for backend, layer, is_red in (("wgpu", 5, False), ("wgpu", 6, True), ("wgpu", 7, True), ("cuda", 7, False), ("cpu", 7, False)):
            red, green, _ = at(backend, layer)
            self.assertEqual(red > green + 60, is_red, (backend, layer, red, green))
        # In another precision nothing is beyond its bound.
        self.precision("taps", "exact")
        self.assertIn("No divergence.", self.panel("taps", "wgpu").text)
        red, green, _ = at("wgpu", 7)
        self.assertLess(red, green)
        self.assertTrue(self.one("#experts .controls input[value=exact]").is_selected(), "one precision in all pictures")

    def test_a_tap_that_is_no_number_is_beyond_every_bound(self):
        self.open(small(absent_number=("cuda", "high", "ffn_inp-2")))
        self.assertEqual(self.text("h1"), "FALSIFIED")
        self.assertIn("First divergence: ffn_inp-2, which is no number.", self.panel("taps", "cuda").text)

    def test_what_is_held(self):
        self.open(small(backends=("cpu",)))
        self.assertEqual(self.text("h1"), "HELD")
        self.assertIn("none succeeded, on cpu.", self.text(".lead"))
        self.assertEqual([p.find_element(By.CSS_SELECTOR, "h3").text for p in self.all("#taps .panel")], ["cpu"])
        self.assertIn("Experts are chosen and weighed as the formula says", self.text("#contracts"))

    def test_what_is_absent_is_said_to_be(self):
        receipt = small()
        self.open(receipt)
        self.assertIn("tells no time of a stage", self.panel("roofline", "wgpu").text)
        self.assertIn("roof of arithmetic is absent for wgpu:", self.text("#roofline"))
        del receipt["rooflines"]
        for row in receipt["rows"]:
            row["series"] = []
            if "PER-LAYER" in row["falsifier"]:
                row |= {"verdict": "SKIPPED", "skipped": "no time", "why": "no time", "figures": [], "bounds": []}
        self.open(receipt)
        for section, words in (("taps", "No tap was measured: no time."), ("experts", "was not recorded"), ("logits", "no logits of two passes"),
                               ("kl", "No run over a text"), ("roofline", "no times of stages")):
            self.assertIn(words, self.text(f"#{section} .body"))
        self.assertEqual(self.browser.complaints(), [])

    def roof(self, backend):
        """The corners of the line, left to right, in pixels; y goes down."""
        path = self.panel("roofline", backend).find_element(By.CSS_SELECTOR, "path.roof").get_attribute("d")
        return [tuple(map(float, corner.split())) for corner in path.removeprefix("M").split("L")]

    def shares(self, backend):
        """What the table says, by stage and rows."""
        rows = self.browser.rows(self.panel("roofline", backend).find_element(By.CSS_SELECTOR, "tbody"))
        return {(row[0], row[1]): row[-2:] for row in rows}

    def test_the_roof_rises_with_the_reads_and_is_level_at_the_arithmetic(self):
        receipt = small()
        self.open(receipt)
        for roof in receipt["rooflines"][:2]:
            (x0, y0), (x1, y1), (x2, y2) = self.roof(roof["backend"])
            self.assertTrue(x0 < x1 < x2 and y1 < y0, "it rises")
            self.assertAlmostEqual(y1, y2, 3, "and then it is level")
            shares = self.shares(roof["backend"])
            for p in roof["points"]:
                key = (p["stage"], str(p["n_row"]))
                if p["stage"] == "head":
                    reads, arithmetic = shares[key]
                    self.assertAlmostEqual(float(arithmetic.split()[0]), 100 * p["flops"] / p["seconds"] / roof["arithmetic"]["flops_per_second"], delta=0.6)
                    self.assertAlmostEqual(float(reads.split()[0]), 100 * p["bytes"] / p["seconds"] / roof["read_bandwidth"], delta=0.6)
            self.assertIn(roof["arithmetic"]["what"], self.panel("roofline", roof["backend"]).text)
        self.assertIn(("step", "1"), self.shares("cuda"))
        self.assertIn("timed one after the other", self.text("#roofline"))
        # Receipts of programs that did not measure it: it only rises.
        del receipt["rooflines"][0]["arithmetic"]
        receipt["rooflines"][1]["read_bandwidth"] = None
        self.open(receipt)
        (x0, y0), (x1, y1) = self.roof("cpu")
        self.assertTrue(x0 < x1 and y1 < y0)
        self.assertEqual(self.shares("cpu")[("head", "64")][1], "absent")
        self.assertIn("roof of arithmetic is absent for cpu, wgpu:", self.text("#roofline"))
        # And of those that could not measure the reads it is level everywhere.
        (x0, y0), (x1, y1) = self.roof("cuda")
        self.assertTrue(x0 < x1 and y0 == y1)
        self.assertEqual(self.shares("cuda")[("head", "64")][0], "absent")
        self.assertEqual(self.browser.complaints(), [])

    def test_an_incomplete_run_says_why(self):
        receipt = small(backends=("cpu",))
        receipt |= {"verdict": "INCOMPLETE", "missing": ["the parity gate of cuda was not held"], "asked": ["cpu", "cuda"]}
        self.open(receipt)
        self.assertEqual(self.text("h1"), "INCOMPLETE")
        self.assertIn("the parity gate of cuda was not held", self.text(".notes"))

    def test_a_receipt_that_lies_is_no_evidence(self):
        receipt = small(beyond=FALLEN)
        for row in receipt["rows"]:
            row |= {"verdict": "HELD", "why": ""}
        receipt["verdict"] = "HELD"
        self.open(receipt)
        self.assertEqual(self.text("h1"), "CONTRADICTED")
        self.assertIn("FALSIFY-QW3-MOE-GPU-PER-LAYER-001 on wgpu: HELD in the receipt, its figures say FALSIFIED", self.text(".notes"))

    def test_a_contract_that_has_changed(self):
        receipt = small()
        receipt["contracts"][0]["sha256"] = "0" * 64
        self.open(receipt)
        self.assertEqual(self.text("h1"), "HELD")
        self.assertIn("has changed since", self.text(".notes"))

    def test_a_large_vocabulary_is_thinned(self):
        page = self.open(small(backends=("cpu",), precisions={"cpu": ["high"]}) | {})
        whole = page.stat().st_size
        receipt = receipts.receipt(backends=("cpu",), precisions={"cpu": ["high"]}, n_layer=8, n_expert=16, n_vocab=40000, n_position=64)
        ref, seen = receipt["rows"][0]["series"]
        seen["values"][31337] += 9.0
        page = self.open(receipt)
        self.assertLess(page.stat().st_size, whole + 700_000)
        self.assertIn("of 40,000 entries are drawn", self.text("#logits"))
        self.one("#logits [role=application]").send_keys(Keys.ARROW_RIGHT)
        self.assertIn("Token 31337", self.text("#logits .readout"))


class HowItIsUsed(Page):
    def test_the_strip_by_keys(self):
        self.open(small(beyond=FALLEN))
        panel = self.panel("taps", "wgpu")
        read = lambda: panel.find_element(By.CLASS_NAME, "readout").text
        self.browser.js("arguments[0].focus()", panel.find_element(By.TAG_NAME, "canvas"))
        self.assertIn("Kcur-5: relative L2", read())
        self.assertIn("The first divergence.", read())
        self.keys(Keys.ARROW_RIGHT)
        self.assertIn("Kcur-6: ", read())
        self.keys(Keys.ARROW_DOWN, Keys.ARROW_LEFT)
        self.assertIn("Vcur-5: ", read())
        self.keys(Keys.HOME)
        self.assertIn("inp_embd: relative L2 0: the same bits.", read())
        self.keys(Keys.ARROW_LEFT)
        self.assertIn("inp_embd", read())
        self.keys(Keys.END)
        self.assertIn("result_output: ", read())
        self.keys(Keys.ARROW_UP)
        self.assertIn("result_norm: ", read())
        self.keys(Keys.ARROW_LEFT)
        self.assertIn("-7: ", read())

    def test_maps_and_plots_by_keys(self):
        self.open(small())
        panel = self.panel("experts", "cuda")
        use, difference = panel.find_elements(By.TAG_NAME, "canvas")
        self.browser.js("arguments[0].focus()", use)
        self.keys(Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
        self.assertRegex(panel.text, r"Layer 1, expert 1: chosen \d+ times?\.")
        self.browser.js("arguments[0].focus()", difference)
        self.assertRegex(panel.text, r"Layer 0, expert 0: \d+ times, by the reference \d+")
        Select(self.all("#logits select")[1]).select_by_visible_text("wgpu fast")
        Select(self.all("#logits select")[0]).select_by_visible_text("cpu exact")
        self.browser.js("arguments[0].focus()", self.one("#logits [role=application]"))
        self.keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
        self.assertRegex(self.text("#logits .readout"), r"Token \d+: .* by cpu exact, .* by wgpu fast; .* the 2nd largest")
        panel = self.panel("kl", "cpu")
        self.browser.js("arguments[0].focus()", panel.find_element(By.CSS_SELECTOR, "[role=application]"))
        self.keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
        self.assertRegex(panel.text, r"Position 1: exact 0, high \S+, fast \S+ nats")

    def test_a_cell_opens_its_figures(self):
        self.open(small(beyond=FALLEN))
        cell = next(c for c in self.all(".cell") if c.accessible_name.startswith("PER-LAYER-001 on wgpu: falsified"))
        cell.send_keys(Keys.ENTER)
        dialog = self.one("dialog")
        self.assertTrue(self.browser.js("return arguments[0].open", dialog))
        self.assertIn("FALSIFY-QW3-MOE-GPU-PER-LAYER-001", dialog.text)
        self.assertIn("Kcur-5", dialog.text)
        self.keys(Keys.ESCAPE)
        self.assertFalse(self.browser.js("return arguments[0].open", dialog))
        self.assertEqual(self.browser.driver.switch_to.active_element, cell)

    def test_tables_are_sorted_and_filtered(self):
        self.open(small(beyond=FALLEN))
        column = lambda i: [row[i - 1] for row in self.browser.rows(self.one("#figures tbody"))]
        heads = self.all("#figures thead th")
        self.assertEqual([h.get_attribute("aria-sort") for h in heads], ["none"] * len(heads))
        used = next(i for i, h in enumerate(heads) if h.text == "Used")
        heads[used].find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
        self.assertEqual(heads[used].get_attribute("aria-sort"), "descending")
        self.assertTrue(column(used + 1)[0].startswith("✕"), column(used + 1)[0])
        heads[used].find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
        self.assertEqual(heads[used].get_attribute("aria-sort"), "ascending")
        self.assertTrue(column(used + 1)[-1].startswith("✕"))
        heads[0].find_element(By.TAG_NAME, "button").send_keys(Keys.SPACE)
        self.assertEqual(heads[used].get_attribute("aria-sort"), "none")
        self.assertEqual(column(1), sorted(column(1)))
        self.one("#figures input").send_keys("cuda parity exact")
        self.assertEqual(self.text("#figures .filter span"), "0 thresholds")
        self.one("#figures input").clear()
        self.one("#figures input").send_keys("cuda per-layer exact")
        self.assertEqual(set(column(2)), {"cuda"})
        self.assertEqual(set(column(1)), {"PER-LAYER-001"})
        # Every figure, which is made only when it is asked for.
        self.assertEqual(len(self.all("#figures details tr")), 0)
        self.one("#figures details summary").send_keys(Keys.ENTER)
        self.browser.settle()
        self.assertGreater(len(self.all("#figures details tr")), 500)

    def test_light_and_dark(self):
        page = self.open(small(), scheme="light")
        ground = lambda: self.browser.js("return getComputedStyle(document.body).backgroundColor")
        pixel = lambda: self.browser.js("const c = document.querySelector('#taps canvas'); return [...c.getContext('2d').getImageData(100, 30, 1, 1).data]")
        light, light_pixel = ground(), pixel()
        self.browser.show(scheme="dark")
        dark, dark_pixel = ground(), pixel()
        self.assertNotEqual(light, dark)
        self.assertNotEqual(light_pixel, dark_pixel, "what is drawn follows")
        choose = lambda name: (self.browser.js("arguments[0].click()", self.one(f"#theme input[value={name}]")), self.browser.settle())
        choose("light")
        self.assertEqual((ground(), pixel()), (light, light_pixel))
        self.browser.open(page)
        self.assertEqual(ground(), light, "it is remembered")
        self.browser.show(scheme="light")
        choose("dark")
        self.assertEqual(ground(), dark)
        choose("auto")
        self.assertEqual(ground(), light)

    def test_by_keys_alone(self):
        self.open(small())
        self.keys(Keys.TAB)
        self.assertEqual(self.browser.driver.switch_to.active_element.text, "Skip to the report")
        self.keys(Keys.ENTER)
        self.assertEqual(self.browser.driver.switch_to.active_element.get_attribute("id"), "main")
        self.keys(Keys.TAB)
        self.assertEqual(self.browser.driver.switch_to.active_element.get_attribute("aria-label"), "Falsifiers by backend")
        self.keys(Keys.TAB)
        self.assertEqual(self.browser.driver.switch_to.active_element.get_attribute("class").split()[0], "cell")

    def test_readers_are_told_all(self):
        self.open(small(beyond=FALLEN))
        self.assertEqual(self.browser.js(browsers.NAMELESS), [])
        heads = self.browser.js("return [...document.querySelectorAll('h1, h2, h3, h4')].filter((e) => e.checkVisibility()).map((e) => Number(e.tagName[1]))")
        self.assertEqual(heads.count(1), 1)
        self.assertTrue(all(b <= a + 1 or a == 1 for a, b in zip(heads, heads[1:])), heads)
        self.assertEqual(self.browser.js("return document.documentElement.lang"), "en")
        self.assertEqual(self.browser.js("return [...document.querySelectorAll('th')].filter((e) => !e.scope).length"), 0)

    def test_texts_can_be_read(self):
        for scheme in ("light", "dark"):
            with self.subTest(scheme=scheme):
                self.open(small(beyond=FALLEN), scheme=scheme)
                self.assertEqual(self.browser.js(browsers.FAINT), [])

    def test_no_width_is_too_small(self):
        self.open(receipts.receipt(beyond=("wgpu", "high", "Kcur-17"), n_vocab=400))
        for width in (320, 390, 900, 1440):
            with self.subTest(width=width):
                self.browser.show(width=width)
                self.assertEqual(self.browser.js("return document.documentElement.scrollWidth"), width)


class Hostile(Page):
    MARKUP = "</script><script>window.owned = 1</script><img src='http://127.0.0.1:9/x' onerror='window.owned = 2'><!--\u2028\u202e@data@@script@"

    def expect_harmless(self, page):
        self.assertIsNone(self.browser.js("return window.owned ?? null"))
        self.assertEqual(self.all("img, iframe, object, link"), [])
        self.assertEqual(len(self.browser.js("return [...document.scripts]")), 2)
        self.assertEqual(self.browser.requests(), [page.as_uri()])
        self.assertEqual(self.browser.complaints(), [])

    def test_every_text_is_text(self):
        receipt = small(beyond=FALLEN)

        def spoil(value, key=""):
            if isinstance(value, dict):
                return {k: spoil(v, k) for k, v in value.items()}
            if isinstance(value, list):
                return [spoil(v, key) for v in value]
            kept = ("verdict", "precision", "untried", "figure", "id", "contract", "falsifier")
            return value + self.MARKUP if isinstance(value, str) and value and key not in kept else value

        page = self.open(spoil(receipt))
        self.expect_harmless(page)
        self.assertIn("<img src=", self.text("#verdict"))
        # Not even the names that the contracts give.
        receipt = json.loads(json.dumps(receipt).replace("FALSIFY-QW3-MOE-GPU-PARITY-001", "FALSIFY-<b>").replace(receipts.GPU, "<i>" * 40))
        self.expect_harmless(self.open(receipt))

    def test_long_names_do_not_break_the_page(self):
        receipt = small(beyond=FALLEN)
        long = "W" * 3000
        receipt["model"] |= {"name": long, "file": long}
        receipt["host"] = long
        for device in receipt["devices"]:
            device["name"] = long
        for row in receipt["rows"]:
            for bound in row["bounds"]:
                bound["where"] = long
        self.open(receipt, width=390)
        self.assertEqual(self.browser.js("return document.documentElement.scrollWidth"), 390)

    def test_odd_numbers_and_shapes(self):
        receipt = small()
        receipt["model"]["shape"] = {"n_layer": 10**15}
        for row in receipt["rows"]:
            for series in row["series"]:
                if series["name"].startswith("expert_use"):
                    series["width"] = 7
                if series["name"] == "kl_by_position":
                    series["values"] = [None, -1.0, 1e300]
                if series["name"] == "logits":
                    series["values"] = [None] * 400
            for figure in row["figures"]:
                if figure.get("where", "").startswith("Vcur"):
                    figure["where"] = "Vcur-99999999999999999999"
        for roof in receipt["rooflines"]:
            roof["points"] = [point | {"seconds": 0} for point in roof["points"]]
        page = self.open(receipt)
        self.expect_harmless(page)
        self.assertGreater(len(self.all("#figures tbody tr")), 50)
        self.assertNotIn("could not be drawn", self.text("main"))
        empty = copy.deepcopy(receipt) | {"rows": [], "devices": [], "asked": [], "contracts": [], "rooflines": []}
        self.expect_harmless(self.open(empty))


if __name__ == "__main__":
    unittest.main(verbosity=2)
