"""Nets to take away: a trained model as source code that needs neither nnlite nor a file beside it.

`to_numpy` writes a Python function that needs only NumPy, `to_c` a C99 header that needs only
``math.h``. Both hold the weights and say layer by layer what is computed; docs/take_away.md shows
them.
"""

from nnlite.exchange.source.to_c import CSource, to_c
from nnlite.exchange.source.to_numpy import NumpySource, to_numpy

__all__ = ["CSource", "NumpySource", "to_c", "to_numpy"]
