"""The types that the whole package shares."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

#: A floating-point array: inputs, outputs, parameters, gradients.
Array = NDArray[np.floating[Any]]
#: An array of any kind: class ids, one-hot rows, masks.
AnyArray = NDArray[Any]
#: What a loss comes to: one number, or one number a replica.
Value: TypeAlias = float | Array
#: What ``np.random.default_rng`` takes. Quoted, because naming numpy.random would import it: 20 ms.
RNG: TypeAlias = "int | np.random.Generator | np.random.SeedSequence | None"
