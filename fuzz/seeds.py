"""Makes the seeds of the fuzz targets: small, and of everything the readers know. Needs numpy, and the fixtures.

    cargo build --release && python3 fuzz/seeds.py
"""

import io
import pickle
import subprocess
import zipfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
FIXTURES = HERE.parent / "tests/fixtures"
for folder in ["checkpoint", "model", "npz"]:
    (HERE / "seeds" / folder).mkdir(parents=True, exist_ok=True)

# The pickles inside PyTorch's archives, which the target puts back into one.
for name in ["coin", "coinpp", "deepsdf_parametrized", "deepsdf_latents_list", "siren_pytorch_modulated"]:
    with zipfile.ZipFile(FIXTURES / f"{name}.pth") as f:
        entry = next(n for n in f.namelist() if n.endswith("data.pkl"))
        (HERE / f"seeds/checkpoint/{name}.pkl").write_bytes(f.read(entry))
arrays = {"params": {"modulated_siren_layer/linear": {"w": np.ones((2, 3), "<f4"), "b": np.ones(3, "<f2")}}}
(HERE / "seeds/checkpoint/arrays.pkl").write_bytes(pickle.dumps(arrays, protocol=4))

for name, array in [
    ("rows", np.ones((2, 3), np.float32)),
    ("columns", np.asfortranarray(np.ones((2, 3)))),
    ("halves", np.ones(4, np.float16)),
    ("counters", np.arange(3)),
    ("objects", np.array({"w": np.ones(2, np.float32)}, object)),
]:
    file = io.BytesIO()
    np.save(file, array)
    (HERE / f"seeds/npz/{name}.npy").write_bytes(file.getvalue())

for name in ["coin", "siren"]:
    out = HERE / f"seeds/model/{name}.safetensors"
    command = ["target/release/hypersine", "import", FIXTURES / f"{name}.pth", "--precision", "f16", "-o", out]
    subprocess.run(command, cwd=HERE.parent, check=True)
