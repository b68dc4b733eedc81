"""Write the data files of nnlite again, from the copies that scikit-learn ships.

Run ``python tools/make_data_files.py``. It needs scikit-learn, which nnlite itself does
not. Every value is stored as one byte; `nnlite.datasets` makes float32 and int64 of them.
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits, load_iris

FOLDER = Path(__file__).resolve().parents[1] / "nnlite" / "datasets" / "files"


def as_bytes(array: np.ndarray, *, per_unit: int = 1) -> np.ndarray:
    """Count in steps of ``1 / per_unit``, or stop if one byte cannot hold the values exactly."""
    small = np.rint(array * per_unit).astype(np.uint8)
    if not np.array_equal(small / per_unit, array):
        raise SystemExit(f"steps of 1/{per_unit} in one byte do not hold the values exactly")
    return small


def main() -> None:
    """Write one file for each data set and print its size."""
    digits, iris = load_digits(), load_iris()
    files = {
        "digits": {"X": as_bytes(digits.data), "y": as_bytes(digits.target)},
        "iris": {"X": as_bytes(iris.data, per_unit=10), "y": as_bytes(iris.target)},
    }
    for name, arrays in files.items():
        path = FOLDER / f"{name}.npz"
        np.savez_compressed(path, **arrays)
        print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
