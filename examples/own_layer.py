"""A layer of your own: check_layer finds the mistake in one, proves the other right, and that one learns."""

import numpy as np

import nnlite as nn
from nnlite.errors import GradientCheckError
from nnlite.testing import check_layer


class PReLU(nn.Layer):
    """ReLU that learns, for each feature, the slope on the negative side."""

    slope = nn.Parameter()

    def __init__(self, features):
        self.features = features
        self.declare("slope", (features,), initializer=nn.initializers.Constant(0.25), decay=False)

    @property
    def input_shape(self):
        """Shape of one sample; a layer that takes any can do without."""
        return (self.features,)

    def forward(self, x, ctx=None):
        """Keep what is positive, scale what is negative."""
        if ctx is not None:
            ctx.save(x)
        return np.where(x > 0, x, self.slope * x)

    def backward(self, dy, ctx):
        """Write dL/dslope, return dL/dx."""
        (x,) = ctx.saved
        np.sum(dy * np.minimum(x, 0), axis=-2, out=ctx.grads.slope)
        return dy * np.where(x > 0, 1, self.slope)


class Forgetful(PReLU):
    """The same with a mistake."""

    def backward(self, dy, ctx):
        """Forget the slope on the way back."""
        super().backward(dy, ctx)
        return dy


try:
    check_layer(Forgetful(3))
except GradientCheckError as error:
    print(f"{error}\n")
print(f"{check_layer(PReLU(3))}\n")

X, y = nn.datasets.moons(500, rng=0)
model = nn.Sequential([nn.Dense(2, 16), PReLU(16), nn.Dense(16, 2)], rng=0)
model.fit(X, y, loss=nn.SoftmaxCrossEntropy(), optimizer=nn.Adam(0.02), epochs=50)
print(f"accuracy on moons: {nn.accuracy(model.predict(X), y):.1%}")
print(f"the slopes, all 0.25 at first, are now from {model[1].slope.min():.2f} to {model[1].slope.max():.2f}")
