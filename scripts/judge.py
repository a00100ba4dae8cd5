#!/usr/bin/env python3
"""Holds records of `hypersine bench` to what the project wants of a real GPU, line by line: the figure, what was wanted, yes or no.
What the records do not have is said, too. Needs nothing but Python.

    hypersine bench --device gpu -o gpu.json
    hypersine bench evaluate family train-step --device gpu --peers -o torch.json
    python3 scripts/judge.py gpu.json torch.json [--device llvmpipe]

Only rows that were verified count. Peers are compared with rows of their own record alone: they took turns with those. f32 throughout,
but for the row that says f16; TF32 is off in the peers' script.
"""

import argparse
import json
import sys


def rows_of(record, device, peer=None):
    """The verified rows of a record on a device: a peer's, by its name, or our own."""
    for row in record["rows"]:
        if row["verified"] and row.get("peer") == peer and row["device"] == device:
            yield row


def find(record, device, suite, peer=None, **wanted):
    """The rows of a suite whose fields are `wanted`."""
    wanted["suite"] = suite
    return [r for r in rows_of(record, device, peer) if all(r.get(k) == v for k, v in wanted.items())]


def seconds(row):
    return row["time"]["median"]


def rate(row, what):
    return row["work"][what] / seconds(row)


def largest(rows):
    """That of the most points."""
    return max(rows, key=lambda r: r["points"], default=None)


def over_peer(records, device, suite, mode, **wanted):
    """Our fastest row and that of a mode of PyTorch, of the same case at the most points that both have; None where there is none."""
    for record in records:
        theirs = largest(find(record, device, suite, f"PyTorch {mode}", **wanted))
        if theirs:
            # Of a family the case ends in how it is done: by bmm, or by one of our strategies.
            case = theirs["case"].removesuffix("bmm")
            ours = [r for r in find(record, device, suite) if r["case"].startswith(case) and "precision" not in r]
            if ours:
                return min(ours, key=seconds), theirs
    return None


def times(pair):
    """How many times as fast the first of two rows is as the second."""
    return seconds(pair[1]) / seconds(pair[0]) if pair else None


def lines(records, device):
    """Each line: what, the figure or None, what is wanted."""
    def first(suite, **wanted):
        for record in records:
            if found := find(record, device, suite, **wanted):
                return found
        return []

    peak = {row["case"]: row for row in first("peak")}
    for width, share in ((64, 0.40), (128, 0.50), (256, 0.50)):
        row = largest([r for r in first("evaluate", inr=f"2-{width}x4-3", activation="sine") if "precision" not in r])
        figure = rate(row, "flop") / rate(peak["multiply-adds"], "flop") if row and peak else None
        yield f"{width} wide, f32: part of the measured multiply-add peak", figure, share
    for width, least in ((64, 2.0), (128, 1.2), (256, 0.9)):
        pair = over_peer(records, device, "evaluate", "eager", inr=f"2-{width}x4-3")
        yield f"{width} wide, f32: times as fast as PyTorch eager", times(pair), least
    pair = over_peer(records, device, "evaluate", "compile", inr="2-64x4-3")
    yield "64 wide, f32: times as fast as torch.compile", times(pair), 1.3
    for width in (64, 128, 256):
        usual = first("evaluate", inr=f"2-{width}x4-3", activation="sine")
        half = largest([r for r in usual if r.get("precision") == "f16"])
        full = half and largest([r for r in usual if r["points"] == half["points"] and "precision" not in r])
        yield f"{width} wide: f16 times as fast as f32", times((half, full) if full else None), 2.0
    heads = [r for r in first("generate", heads="linear, 256 features") if "precision" not in r]
    figure = rate(heads[0], "bytes") / rate(peak["copy"], "bytes") if heads and peak else None
    yield "a head of 200 MB: part of the measured copy bandwidth (0.60 on the portable tier)", figure, 0.80
    for width, least in ((64, 2.5), (256, 1.0)):
        pair = over_peer(records, device, "family", "eager", inr=f"2-{width}x4-3", points=1024)
        yield f"{width} wide, rank 10, 1,024 points: times as fast as bmm", times(pair), least
        if width == 256:
            held = [row.get("figures", {}).get("peak_bytes") for row in pair or [{}]]
            yield "    its memory times as much as ours", held[1] / held[0] if all(held) else None, 10.0
    few = {r["strategy"]: seconds(r) for r in first("family", points=64, inr="2-64x4-3")}
    figure = few["materialized"] / few["fused"] if len(few) == 2 else None
    yield "64 wide, 64 points: fused times as fast as materialized", figure, 2.0
    for width, least in ((64, 2.0), (256, 0.9)):
        pair = over_peer(records, device, "train-step", "eager", inr=f"2-{width}x4-3")
        yield f"{width} wide: a step of training times as fast as eager", times(pair), least
    for near, share in ((1.10, 0.95), (1.25, 0.90)):
        cells = list(held_out(first("crossover")))
        good = sum(ratio <= near for ratio in cells)
        yield f"auto within {near} of the better strategy, of {len(cells)} cells held out", good / len(cells) if cells else None, share


def held_out(rows):
    """auto's time over the better one, of cells that the fit did not see and whose two intervals do not overlap."""
    cells = {}
    for row in rows:
        if row.get("fitted") is False:
            cells.setdefault((row["inr"], row["heads"], row["latents"], row["points"]), []).append(row)
    for pair in cells.values():
        if len(pair) == 2:
            a, b = sorted((r["time"] for r in pair), key=lambda time: time["median"])
            if a["high"] < b["low"]:
                yield pair[0]["figures"]["auto_over_better"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("records", nargs="+")
    parser.add_argument("--device", help="part of a device's name [default: the first one that is no CPU backend]")
    options = parser.parse_args()
    records = [json.load(open(path, encoding="utf-8")) for path in options.records]
    names = [d["name"] for record in records for d in record["devices"]]
    wanted = [n for n in names if (options.device or "") in n and (options.device or not n.startswith("cpu"))]
    if not wanted:
        sys.exit(f"no record has such a device; there are {', '.join(sorted(set(names)))}")
    print(wanted[0])
    missed = 0
    for what, figure, least in lines(records, wanted[0]):
        if figure is None:
            print(f"  -       {what}: not in these records")
            continue
        missed += figure < least
        print(f"  {'yes' if figure >= least else 'NO ':7} {what}: {figure:.2f} ({least:g} wanted)")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
