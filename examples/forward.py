"""Reproduces a picture from a Hypersine model file with numpy alone, for linear heads over ReLU trunks as the built-in
model has them.  pip install numpy safetensors pillow

    python3 examples/forward.py MODEL.safetensors LATENT_NAME SIZE out.png
"""

import json
import sys

import numpy as np
from PIL import Image
from safetensors import safe_open

path, name, size, out = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
with safe_open(path, "numpy") as f:
    doc = json.loads(f.metadata()["hypersine"])
    t = {k: f.get_tensor(k).astype(np.float64) for k in f.keys()}

z = t["latents"][doc["latents"].index(name)]
features = []
for i, trunk in enumerate(doc["trunks"]):  # z -> h, one MLP per target tensor
    h = z
    for l in range(len(trunk["layers"])):
        h = np.maximum(t[f"trunk.{i}.{l}.weight"] @ h + t[f"trunk.{i}.{l}.bias"], 0)
    features.append(h)

axis = (2 * np.arange(size) + 1) / size - 1  # pixel centres, x right, y down
x = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
for l, head in enumerate(doc["heads"]):  # h -> W, b, then the INR's layer
    w, b = (t[f"head.{l}.{p}.map.weight"] @ features[head[p]["trunk"]] + t[f"head.{l}.{p}.map.bias"] for p in ("weight", "bias"))
    x = x @ w.reshape(len(b), -1).T + b
    if l < len(doc["inr"]["hidden"]):
        x = np.sin(doc["inr"]["hidden"][l]["activation"]["sine"]["omega"] * x)
low, high = doc["values"]["low"], doc["values"]["high"]
pixels = np.round(np.clip((x - low) / (high - low), 0, 1) * 255).astype(np.uint8)
Image.fromarray(pixels.reshape(size, size, -1)).save(out)
