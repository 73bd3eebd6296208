"""Turns what bench/gpu.sh kept into a table in Markdown.

usage: gpu_table.py RAW_DIR > table.md

A figure that is not there is a dash: half a run still gives half a table.
"""

import json
import re
import statistics
import sys
from pathlib import Path

RAW = Path(sys.argv[1])


def text_of(name, fallback=""):
    path = RAW / name
    return path.read_text(errors="replace").strip() if path.exists() else fallback


def json_of(name):
    try:
        return json.loads(text_of(name, "null") or "null")
    except json.JSONDecodeError:
        return None


def peer_bench(name):
    """{(n_prompt, n_gen, n_depth): median tok/s} of llama-bench -o json."""
    rows = json_of(name) or []
    return {(row["n_prompt"], row["n_gen"], row["n_depth"]): statistics.median(row["samples_ts"]) for row in rows}


def peer_batched():
    """{sequences: decoded tok/s} of llama-batched-bench's table: PP, TG, B, N_KV, T_PP, S_PP, T_TG, S_TG, ..."""
    found = {}
    for line in text_of("peer-batch").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) >= 8 and re.fullmatch(r"\d+", cells[2]):
            found[int(cells[2])] = float(cells[7])
    return found


def ours(name):
    """{(n_prompt, n_decode, n_depth, n_sequence): row} of tercet bench --json, and the whole report."""
    report = json_of(name) or {}
    rows = {(r["n_prompt"], r["n_decode"], r["n_depth"], r["n_sequence"]): r for r in report.get("results", [])}
    return rows, report


def number(value):
    return "-" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def line(*cells):
    print("| " + " | ".join(str(cell) for cell in cells) + " |")


def show(what, row, peer, note=""):
    if row is None and peer is None:
        return
    rate = row["tok_s"] if row else None
    spread = f"{100 * row['spread']:.1f} %" if row else "-"
    share = f"{100 * row['bandwidth_share']:.1f} %" if row and row.get("bandwidth_share") else ""
    experts = f"{row['distinct_experts']:.1f}" if row and "distinct_experts" in row else ""
    ratio = f"**{rate / peer:.2f}**" if rate and peer else "-"
    line(what, number(rate), spread, share, experts, number(peer), note, ratio)


def table(backend, precision):
    decode, report = ours(f"tercet-{backend}-decode-{precision}.json")
    prefill, _ = ours(f"tercet-{backend}-prefill-{precision}.json")
    batch, _ = ours(f"tercet-{backend}-batch-{precision}.json")
    demo, demo_report = ours(f"tercet-{backend}-demo-{precision}.json")
    peer_decode = peer_bench("peer-decode.json")
    peer_prefill = {ubatch: peer_bench(f"peer-prefill-{ubatch}.json") for ubatch in (512, 2048)}
    peer_batch = peer_batched()

    any_report = report or demo_report
    print(f"\n## `--backend {backend} --precision {precision}`\n")
    if any_report:
        reads = any_report["read_bytes_s"]
        said = f"reads {reads / 1e9:,.0f} GB/s, measured in this run" if reads else "its reads cannot be measured"
        print(f"{any_report['device']}, {said}; "
              f"{report.get('model', 'no full-size model')} loaded in {report.get('load_ms', 0) / 1000:.2f} s.\n")
    line("tok/s", "tercet", "spread", "of the reads", "experts a step", "llama.cpp", "its ubatch", "ratio")
    line(*["---"] * 8)
    for depth in (0, 4096, 16384):
        what = "decode 128, empty context" if depth == 0 else f"decode 128 at {depth:,}"
        show(what, decode.get((0, 128, depth, 1)), peer_decode.get((0, 128, depth)))
    for n in (512, 2048, 4096, 8192):
        best = max(((rates[(n, 0, 0)], ubatch) for ubatch, rates in peer_prefill.items() if (n, 0, 0) in rates),
                   default=(None, ""))
        show(f"prefill {n:,}", prefill.get((n, 0, 0, 1)), best[0], best[1])
    for n in (1, 8, 32, 64):
        show(f"decode 128 at 128, {n} sequence{'s' if n > 1 else ''}", batch.get((0, 128, 128, n)), peer_batch.get(n))
    show("demo (34 M): prefill 512", demo.get((512, 0, 0, 1)), None)
    show("demo: decode 128", demo.get((0, 128, 0, 1)), None)


def tests():
    rows = [row.split("\t") for row in text_of("tests").splitlines()]
    if not rows:
        return
    print("\n## Tests on the device\n")
    line("program", "result", "cases")
    line("---", "---", "---")
    for name, status in rows:
        log = text_of(f"{name}.log")
        counts = [f"{found.group(1)} {word}" for word in ("PASSED", "SKIPPED", "FAILED")
                  if (found := re.search(rf"\[  {word}\s*\] (\d+) tests?", log))]
        result = {"0": "passed", "77": "skipped", "124": "took too long"}.get(status, f"failed ({status})")
        line(name, result, ", ".join(counts).lower())


def gpu():
    """nvidia-smi's line, or what tercet says of the first CUDA device."""
    if text_of("gpu"):
        return text_of("gpu")
    devices = [d for d in (json_of("devices.json") or {}).get("devices", []) if d["backend"] == "cuda"]
    return f"{devices[0]['name']}, CUDA {devices[0]['limits']['driver-cuda']}" if devices else "no GPU"


def main():
    print(f"# {gpu().split(',')[0]}\n")
    print(f"Commit {text_of('commit', 'unknown')}. GPU (name, driver, memory, in use, clocks, power limit): {gpu()}. "
          f"Load of the host: {text_of('loadavg').split(' ')[0] or 'unknown'}.")
    print("Medians; spread is (largest - smallest) / median. llama.cpp's prefill is that of its better ubatch.")
    measured = {(path.stem.split("-")[1], path.stem.split("-")[3]) for path in RAW.glob("tercet-*-*-*.json")}
    for backend in ("cuda", "wgpu"):
        for precision in ("exact", "high", "fast"):
            if (backend, precision) in measured:
                table(backend, precision)
    tests()


if __name__ == "__main__":
    main()
