#!/usr/bin/env python3
"""Rate and distortion of families: trains models of several kinds of head, latents, trunks and widths on one folder of
pictures of one size, for the same number of steps, and sets bytes and PSNR of each beside JPEG's and WebP's at equal
total bytes. Needs numpy and Pillow. What the output file already holds is not done again, so a run may be broken off.

    python3 scripts/rate_distortion.py ../shared/data/images/emoji64 -o rd.json [--steps 4000] [--rows 'film*,shift*']
    python3 scripts/rate_distortion.py ../shared/data/images/emoji64 -o rd.json --table   # what is there, as Markdown

A model's bytes are those of its f16 file, names of latents and settings included. Its PSNR is `hypersine eval`'s: per picture,
clipped, not quantised, mean over pictures. A codec has one quality for all pictures; its PSNR at the model's bytes lies between
the two neighbouring qualities, linear in the logarithm of bytes. "files" is one file a picture, headers and all; "sheet" is
all pictures on one sheet in a single file, so that headers are paid once (pictures are cut out again to be compared).
"""

import argparse
import fnmatch
import io
import json
import math
import os
import pathlib
import struct
import subprocess
import sys
import time

import numpy as np
from PIL import Image, features

# Rows in the order in which they are trained; settings are `hypersine train`'s flags.
BASE = {"head": "linear", "width": 64, "latent-dim": 64, "trunk-layers": 1, "features": 64}
NO_TRUNK = {"trunk-layers": 0}
# Demodulation makes rows of norm 1, SIREN's are about 20 times smaller: at omega 30 such an INR starts as noise.
DEMODULATED = {"head": "low-rank", "omega": 1.5, "first-omega": 12}
ROWS = {
    "linear": {},
    "linear-shared": {"shared-trunk": True},
    "tanh-4": {"head": "low-rank-tanh", "rank": 4},
    "film": {"head": "film"} | NO_TRUNK,
    "shift": {"head": "shift"} | NO_TRUNK,
    "tanh-8": {"head": "low-rank-tanh", "rank": 8},
    "film-z256": {"head": "film", "latent-dim": 256} | NO_TRUNK,
    "shift-z256": {"head": "shift", "latent-dim": 256} | NO_TRUNK,
    "linear-w32": {"width": 32},
    "linear-f32": {"features": 32},
    "linear-z16": {"latent-dim": 16},
    "low-rank-4": DEMODULATED | {"rank": 4},
    "tanh-2": {"head": "low-rank-tanh", "rank": 2},
    "linear-z256": {"latent-dim": 256},
    "linear-t0": NO_TRUNK,
    "linear-t2": {"trunk-layers": 2},
    "film-w128-z256": {"head": "film", "width": 128, "latent-dim": 256} | NO_TRUNK,
    "film-trunk": {"head": "film", "shared-trunk": True},
    "low-rank-8": DEMODULATED | {"rank": 8},
    "linear-w32-f128": {"width": 32, "features": 128},
    "film-w32": {"head": "film", "width": 32} | NO_TRUNK,
    "tanh-4-w128": {"head": "low-rank-tanh", "rank": 4, "width": 128},
    "linear-w32-z256": {"width": 32, "latent-dim": 256},
    "film-z16": {"head": "film", "latent-dim": 16} | NO_TRUNK,
    "shift-z16": {"head": "shift", "latent-dim": 16} | NO_TRUNK,
    "linear-w32-z16": {"width": 32, "latent-dim": 16},
    "linear-shared-t2": {"shared-trunk": True, "trunk-layers": 2},
    "shift-w128-z256": {"head": "shift", "width": 128, "latent-dim": 256} | NO_TRUNK,
    "low-rank-4-omega-30": {"head": "low-rank", "rank": 4},
}
QUALITIES = [*range(0, 90, 3), *range(90, 101)]


def encoded(picture, codec, quality):
    """The bytes of that picture in that codec."""
    name, *option = codec.split(" ")
    out = io.BytesIO()
    if name == "JPEG":
        picture.save(out, "JPEG", quality=max(quality, 1), subsampling=option[0], optimize=True)
    elif name == "PNG":
        picture.save(out, "PNG", optimize=True)
    else:
        picture.save(out, "WEBP", quality=quality, method=6, lossless=option == ["lossless"])
    return out.getvalue()


def mean_psnr(truths, decoded):
    mse = ((truths.astype(np.float64) - decoded) ** 2).mean(axis=(1, 2, 3))
    return float(np.mean(10 * np.log10(255**2 / np.maximum(mse, 1e-9))))


class Codecs:
    """Curves of [bytes of all pictures, mean PSNR]."""

    def __init__(self, folder):
        files = sorted(p for p in folder.iterdir() if p.suffix.lower() == ".png")
        self.pictures = [Image.open(f).convert("RGB") for f in files]
        self.truths = np.stack([np.asarray(p) for p in self.pictures])
        count, height, width, _ = self.truths.shape
        self.columns = math.ceil(math.sqrt(count))
        self.sheet = Image.new("RGB", (self.columns * width, -(-count // self.columns) * height), "white")
        for i, picture in enumerate(self.pictures):
            self.sheet.paste(picture, self.place(i)[:2])

    def place(self, i):
        _, height, width, _ = self.truths.shape
        x, y = i % self.columns * width, i // self.columns * height
        return x, y, x + width, y + height

    def point(self, codec, quality, sheet):
        if sheet:
            data = encoded(self.sheet, codec, quality)
            decoded = Image.open(io.BytesIO(data)).convert("RGB")
            cut = np.stack([np.asarray(decoded.crop(self.place(i))) for i in range(len(self.pictures))])
            return [len(data), mean_psnr(self.truths, cut)]
        data = [encoded(p, codec, quality) for p in self.pictures]
        decoded = np.stack([np.asarray(Image.open(io.BytesIO(d)).convert("RGB")) for d in data])
        return [sum(map(len, data)), mean_psnr(self.truths, decoded)]

    def measure(self):
        curves, lossless = {}, {}
        for sheet in (False, True):
            how = "sheet" if sheet else "files"
            for codec in ("JPEG 4:2:0", "JPEG 4:4:4", "WebP"):
                curves[f"{codec} {how}"] = [[q, *self.point(codec, q, sheet)] for q in QUALITIES]
            for codec in ("PNG", "WebP lossless"):
                lossless[f"{codec} {how}"] = self.point(codec, 100, sheet)[0]
        return {"curves": curves, "lossless_bytes": lossless, "pictures": len(self.pictures),
                "jpeg": features.version("jpg"), "webp": features.version("webp"), "pillow": Image.__version__}


def at(curve, size):
    """PSNR of a curve at that size; None below its smallest."""
    points = sorted((math.log(b), psnr) for _, b, psnr in curve)
    x = math.log(size)
    if x < points[0][0]:
        return None
    below = [p for p in points if p[0] <= x]
    above = [p for p in points if p[0] > x]
    if not above:
        return max(p[1] for p in points)
    (x0, y0), (x1, y1) = below[-1], above[0]
    return y0 + (y1 - y0) * (x - x0) / (x1 - x0)


def beside(codecs, size):
    """What each codec does with so many bytes: dB, "lossless", or None below its smallest."""
    found = {}
    for name in ("JPEG", "WebP"):
        for how in ("files", "sheet"):
            curves = [c for n, c in codecs["curves"].items() if n.startswith(name) and n.endswith(how)]
            reached = [p for p in (at(c, size) for c in curves) if p is not None]
            found[f"{name} {how}"] = round(max(reached), 2) if reached else None
            if name == "WebP" and size >= codecs["lossless_bytes"][f"WebP lossless {how}"]:
                found[f"{name} {how}"] = "lossless"
    return found


def evaluated(args, model):
    command = [args.hypersine, "eval", str(model), str(args.folder), "--device", "cpu", "--json", "-q"]
    result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    psnrs = [s["psnr"] for s in result["signals"]]
    return {"psnr": round(result["mean"]["psnr"], 3), "ssim": round(result["mean"]["ssim"], 4),
            "lowest": round(min(psnrs), 2), "highest": round(max(psnrs), 2)}


def sizes(file):
    with open(file, "rb") as f:
        header = 8 + struct.unpack("<Q", f.read(8))[0]
    return {"bytes": os.path.getsize(file), "header": header}


def trained(args, name):
    settings = BASE | ROWS[name]
    file = args.models / f"{name}.safetensors"
    command = [args.hypersine, "train", str(args.folder), "-o", str(file), "--device", "cpu", "--precision", "f16", "-q",
               "--steps", str(args.steps), "--latents", str(args.latents), "--points", str(args.points),
               "--seed", str(args.seed)]
    for key, value in settings.items():
        command += [f"--{key}"] if value is True else [f"--{key}", str(value)]
    # A checkpoint is what a run left that was broken off; --resume keeps its settings.
    command += ["--resume"] if file.with_suffix(".checkpoint.safetensors").exists() else []
    start = time.monotonic()
    subprocess.run(command, check=True)
    return {"settings": settings, "seconds": round(time.monotonic() - start, 1), **sizes(file), **evaluated(args, file)}


def save(path, results):
    draft = path.with_suffix(".part")
    draft.write_text(json.dumps(results, indent=1) + "\n")
    draft.replace(path)


def heads(settings):
    kind = settings["head"] + (f", rank {settings['rank']}" if "rank" in settings else "")
    if "omega" in settings:
        kind += f", omega {settings['first-omega']} and {settings['omega']}"
    layers = settings["trunk-layers"]
    trunk = "none" if layers == 0 else f"{layers} x {settings['features']}, " + (
        "shared" if settings.get("shared-trunk") else "per tensor")
    return f"{kind} | {trunk} | {settings['latent-dim']} | {settings['width']}"


def table(results):
    codecs = results["codecs"]
    count = codecs["pictures"]
    order = ("JPEG files", "WebP files", "JPEG sheet", "WebP sheet")
    lines = ["| head | trunk | latent | INR width | bytes | a picture | PSNR dB | " + " | ".join(order) + " |",
             "|---" * 11 + "|"]
    for name, row in sorted(results["rows"].items(), key=lambda r: r[1]["bytes"]):
        text = {k: "-" if v is None else v if isinstance(v, str) else f"{v:.2f}"
                for k, v in beside(codecs, row["bytes"]).items()}
        shown = heads(row["settings"]) + (f" | {row['bytes']:,} | {row['bytes'] / count:,.0f} | {row['psnr']:.2f} | ")
        mark = "" if "note" not in row else f" ({row['note']})"
        lines.append("| " + shown.replace(" | ", mark + " | ", 1) + " | ".join(text[k] for k in order) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, help="pictures of one size")
    parser.add_argument("-o", "--output", type=pathlib.Path, default=pathlib.Path("rate_distortion.json"))
    parser.add_argument("--models", type=pathlib.Path, help="folder of the models [beside the output]")
    parser.add_argument("--hypersine", default="target/release/hypersine")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--latents", type=int, default=32)
    parser.add_argument("--points", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", default="*", help="names or patterns, divided by commas; --list shows them")
    parser.add_argument("--builtin", default="assets/emoji.safetensors", metavar="FILE",
                        help="a trained model of the same pictures that gets a row, too; '' for none")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--table", action="store_true", help="print the table and measure nothing")
    args = parser.parse_args()
    if args.list:
        print("\n".join(f"{name:20} {heads(BASE | row)}" for name, row in ROWS.items()))
        return
    results = json.loads(args.output.read_text()) if args.output.exists() else {}
    batch = {k: getattr(args, k) for k in ("steps", "latents", "points", "seed")}
    if not args.table:
        if results.setdefault("batch", batch) != batch:
            sys.exit(f"{args.output} holds rows of another run: {results['batch']}")
        if "codecs" not in results:
            results["codecs"] = Codecs(args.folder).measure()
            save(args.output, results)
        rows = results.setdefault("rows", {})
        if args.builtin and args.builtin not in rows:
            asked = subprocess.run([args.hypersine, "info", args.builtin, "--config"], check=True, capture_output=True, text=True)
            steps = next(line.split("=")[1].strip() for line in asked.stdout.splitlines() if line.startswith("steps"))
            rows[args.builtin] = {"settings": BASE, "note": f"shipped, {int(steps):,} steps", **sizes(args.builtin),
                                  **evaluated(args, args.builtin)}
        args.models = args.models or args.output.with_suffix("")
        args.models.mkdir(parents=True, exist_ok=True)
        patterns = args.rows.split(",")
        for name in ROWS:
            if name in rows or not any(fnmatch.fnmatch(name, p) for p in patterns):
                continue
            rows[name] = trained(args, name)
            save(args.output, results)
            print(name, json.dumps(rows[name]), json.dumps(beside(results["codecs"], rows[name]["bytes"])), flush=True)
        save(args.output, results)
    print(table(results))


main()
