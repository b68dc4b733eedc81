"""Names that people know from elsewhere, and what they are called here, for an error that helps."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

__all__ = ["answering", "closest", "layer_for", "missing_names", "no_such_method", "no_such_name", "one_of"]

Class = TypeVar("Class", bound=type)

#: What to write here, and under which names it is known elsewhere: in lower case, without underscores.
_ELSEWHERE: dict[str, str] = {
    "It is Conv2D(in_channels, out_channels, kernel_size), the channels last.": (
        "conv conv2d convolution convolution2d convolutional depthwiseconv2d"
    ),
    "It is Conv1D(in_channels, out_channels, kernel_size), the features last.": "conv1d convolution1d",
    "nnlite has convolutions over one axis and two only, Conv1D and Conv2D, and none that enlarge.": (
        "conv3d convtranspose1d convtranspose2d conv1dtranspose conv2dtranspose separableconv2d deconv "
        "deconvolution upsample upsampling2d"
    ),
    "It is MaxPool2D(size), or MaxPool1D.": (
        "maxpool maxpool1d maxpool2d maxpooling maxpooling1d maxpooling2d"
    ),
    "It is AveragePool2D(size), or AveragePool1D.": (
        "avgpool avgpool1d avgpool2d averagepool averagepooling averagepooling1d averagepooling2d"
    ),
    "It is GlobalAveragePool(), of sequences GlobalAveragePool(1).": (
        "globalaveragepooling globalaveragepooling1d globalaveragepooling2d adaptiveavgpool1d "
        "adaptiveavgpool2d"
    ),
    "It is GlobalMaxPool(), of sequences GlobalMaxPool(1).": (
        "globalmaxpooling globalmaxpooling1d globalmaxpooling2d adaptivemaxpool1d adaptivemaxpool2d"
    ),
    "It is Reshape(shape, into), of each sample.": "unflatten view",
    "It is Permute(axes), of each sample.": "transpose channelslast channelsfirst movechannels",
    "There are SimpleRNN, GRU and LSTM; sequences=True gives all states.": "rnn rnncell grucell lstmcell",
    "Write direction='both' in SimpleRNN, GRU or LSTM.": "bidirectional",
    "Write padding=0.0 in the layers over time: docs/sequences.md.": "masking packpaddedsequence",
    "It is SelfAttention(features, heads).": "attention multiheadattention multiheadselfattention",
    "Put SelfAttention and Dense layers into Residual: docs/sequences.md.": (
        "transformer transformerencoder transformerencoderlayer"
    ),
    "It is PositionEmbedding(steps, features).": "positionalembedding positionalencoding",
    "It is BatchNorm(features); of images BatchNorm(features, ndim=3).": (
        "batchnorm1d batchnorm2d batchnorm3d batchnormalization syncbatchnorm"
    ),
    "It is LayerNorm(features).": "layernormalization",
    "It is RMSNorm(features).": "rmsnormalization",
    (
        "There are BatchNorm(features) and LayerNorm(features), which looks at each row alone, and "
        "Standardize for the inputs."
    ): "groupnorm instancenorm normalization normalize",
    "It is Residual([...]), which adds its input to what its layers give.": (
        "skip skipconnection shortcut residualblock residualconnection resblock resnet"
    ),
    "It is Concatenate([...]), which puts what its branches give side by side.": "concat merge parallel cat",
    "It is Multiply([...]), with a branch that ends in Sigmoid().": "glu gate highway",
    "It is TimeDistributed([...]), the same layers for each part.": "siamese shared sharedlayers",
    "It is Columns(columns, of): those of the last axis.": "split chunk slice gather select",
    "Write a Layer that holds the others: docs/own.md, 'A layer made of layers'.": "modulelist moduledict",
    "It is State(), in the class body of a layer.": "buffer registerbuffer nontrainable",
    "It is Dense(in_features, out_features).": "linear fullyconnected",
    "It is Layer, with a forward and a backward of your own.": "module lambda",
    "It is Sequential, a list of layers, each of which may be made of others.": (
        "model functionalmodel sequentialmodel block"
    ),
    "It is Input(shape), where the first layer does not say how large a sample is.": "inputlayer",
    "Activations are layers of their own: ReLU(), Tanh(), Sigmoid(), ...": "activation",
    "It is Clip(low, high).": "hardtanh clamp",
    "It is HardSwish.": "hardsilu",
    "It is SiLU.": "swish",
    "It is SoftmaxCrossEntropy(), which takes logits.": (
        "crossentropyloss crossentropy categoricalcrossentropy sparsecategoricalcrossentropy nllloss"
    ),
    "It is BinaryCrossEntropy(), which takes logits.": "bceloss bcewithlogitsloss binarycrossentropyloss",
    "It is MeanSquaredError().": "mse mseloss squarederror",
    "It is MeanAbsoluteError().": "mae l1loss",
    "It is Huber().": "smoothl1loss huberloss",
    "It is PoissonNLL().": "poissonnllloss poisson",
    "It is GaussianNLL().": "gaussiannllloss",
    "There are SGD, RMSProp, Adagrad, Adam, AdamW, NAdam, Lion, LBFGS.": "radam adamax adadelta ftrl",
    "It is Adam(amsgrad=True).": "amsgrad",
    "It is nnlite.optimizers.": "optim",
    "It is Checkpoint(path).": "modelcheckpoint",
    "It is ReduceOnPlateau().": "reducelronplateau",
    "It is AveragedWeights(decay), a callback.": "averagedmodel ema exponentialmovingaverage swa",
    "It is ParameterGroup([...], l1=, l2=), around layers.": "l1 l2 l1l2 regularizers penalty regularizer",
    "It is ParameterGroup([...], max_norm=3), around layers.": "maxnorm constraints",
    "It is nnlite.augment.Shift(pixels), for fit(augment=).": "shift randomtranslation randomcrop",
    "It is nnlite.augment.Flip(), for fit(augment=).": "flip randomflip randomhorizontalflip",
    "It is nnlite.augment.Noise(scale), for fit(augment=).": "noise gaussiannoise randomnoise",
    "It is nnlite.augment.Compose([...]), for fit(augment=).": "compose",
    "It is CosineDecay.": "cosineannealinglr cosineannealing",
    "It is StepDecay.": "steplr multisteplr",
    "It is ExponentialDecay.": "exponentiallr",
    "It is OneCycle.": "onecyclelr",
    "It is batches(X, y), or give fit the arrays.": "dataloader tensordataset",
    "Arrays of NumPy are all that is needed: write np.array(...).": "tensor variable",
    "Write from nnlite.sklearn import MLPClassifier, MLPRegressor.": "mlpclassifier mlpregressor",
    "It is in nnlite.inspect.": "doctor explainstep blame findlearningrate",
    "It is in nnlite.testing.": "checklayer checkloss checkoptimizer",
    "Write model.save(path).": "save",
    "It is load(path).": "loadmodel loadweights",
    "Functions are layers and losses here: ReLU(), SoftmaxCrossEntropy().": "functional",
    "There are digits and iris, and generated sets: xor, spirals, moons, circles, blobs, sine.": (
        "mnist fashionmnist cifar10 loadiris loaddigits makemoons makeblobs makecircles"
    ),
}


#: The parts of nnlite in which a user looks for a name.
_PARTS = (
    *("layers", "losses", "optimizers", "metrics", "schedules", "initializers", "datasets", "callbacks"),
    *("inspect", "plot", "testing", "sklearn", "export", "interop", "onnx", "distributed"),
    "augment",
)

#: The same for what one does with a model.
_METHODS: dict[str, str] = {
    "There is nothing to compile: fit takes the loss and the optimizer.": "compile",
    "All parameters are in params: model.params.values, model.params['0.W'].": (
        "parameters namedparameters weights getweights setweights trainablevariables trainableweights "
        "statedict"
    ),
    "Give all layers at once: Sequential([*layers, another]).": "add append extend pop insert",
    "Write predict(X); Softmax().forward(...) makes probabilities of logits.": "call predictproba",
    "Write evaluate(X, y, metrics=[...]).": "score",
    "Gradients are written over, and need no zeroing.": "zerograd",
    "Everything is computed by NumPy, on the CPU.": "to cuda cpu",
    "Write optimizer.step(model.params).": "trainableslices",
    "Write model.save(path), and nnlite.load(path).": "load loadweights saveweights loadstatedict",
    "fit returns it: history = model.fit(...).": "history",
    "Layers go by number: model[0] is the first; model.walk() goes through those inside of others too.": (
        "getlayer modules namedmodules namedchildren"
    ),
    "Write nnlite.onnx.export(model, path), or nnlite.export.to_numpy and to_c for source code.": (
        "export toonnx tonumpy toc"
    ),
    "The loop is fit, or loss_and_grad and optimizer.step.": "trainonbatch fitgenerator partialfit",
}


#: The same for what is asked of a class, by its name.
_ASKED: dict[str, dict[str, str]] = {
    "Layer": {
        "Parameters go by their names, layer.W and layer.b; parameter_names lists them.": (
            "weight weights biases kernel parameters get_weights"
        ),
        "Write layer.W[...] = a.": "set_weights",
        "Nothing needs to be switched: dropout and BatchNorm act in fit as in training, in predict not.": (
            "train eval"
        ),
        "Write layer.trainable = False, or layer.freeze('b').": "requires_grad requires_grad_",
        "children has the layers that it is made of, and walk() goes through those inside of them too.": (
            "modules named_modules named_children"
        ),
        "Write self.hold([layer, ...]) in __init__: docs/own.md, 'A layer made of layers'.": "add_module",
        "Write `name = Parameter()` in the class body, and self.declare('name', shape) in __init__.": (
            "register_parameter add_weight"
        ),
        "Write `name = State()` in the class body, and self.declare('name', shape) in __init__.": (
            "register_buffer"
        ),
        "Give a Watcher to a pass: model.context(watch=...).": (
            "register_forward_hook register_forward_pre_hook register_full_backward_hook"
        ),
    },
    "Loss": {
        "Write value, grad = loss.value_and_grad(pred, target).": "forward",
        "Write model.loss_and_grad(x, y, loss), which fills params.grads.": "backward",
    },
    "Optimizer": {
        "Gradients are written over, and need no zeroing.": "zero_grad",
        "Write optimizer.learning_rate.": "lr param_groups",
        "Write optimizer.step(model.params).": "minimize apply_gradients",
    },
    "History": {
        "It is the history itself: history['loss'] is a column, history.columns names all.": "history keys",
        "Write history['epoch'].": "epoch",
        "Write nnlite.plot.history(history).": "plot",
    },
}


class _Elsewhere:
    """An attribute that raises an error which says what there is in its place.

    It costs nothing until it is asked for, where a ``__getattr__`` would slow down all attributes. One of
    a subclass, or of the object itself, goes before it.
    """

    def __init__(self, name: str, fix: str) -> None:
        self.name, self.fix = name, fix
        self.__doc__ = f"There is none. {fix}"  # in `help` of the class, which lists what `dir` of it does

    def __get__(self, thing: object, kind: type) -> NoReturn:
        where, name = kind.__name__, self.name
        raise AttributeError(f"{where}.{name}: expected a name of {where}, got {name!r}. {self.fix}")


def answering(kind: Class) -> Class:
    """Let a class, and all that inherit from it, answer what it is asked for by habit.

    Parameters
    ----------
    kind : type
        One of those whose names are in the table.

    Returns
    -------
    type
        The same. ``hasattr`` knows nothing of the names, nor does ``dir`` of an object; ``dir`` and
        ``help`` of the class list them, ``help`` with what there is in their place.

    Examples
    --------
    >>> from nnlite import Adam
    >>> Adam().zero_grad()
    Traceback (most recent call last):
    ...
    AttributeError: Adam.zero_grad: expected a name of Adam, got 'zero_grad'. Gradients are written over, and
        need no zeroing.
    """
    names = {name: fix for fix, names in _ASKED[kind.__name__].items() for name in names.split()}
    # No __call__: `callable` would be true, and a layer given for a function be found out much later.

    def __dir__(self: object) -> list[str]:
        """List the names that there are, without those that are only answered."""
        return [name for name in object.__dir__(self) if name not in names or hasattr(self, name)]

    members: dict[str, Any] = {name: _Elsewhere(name, fix) for name, fix in names.items()}
    members["__dir__"] = __dir__
    for name, member in members.items():
        setattr(kind, name, member)
    return kind


def no_such_method(kind: type, name: str) -> AttributeError:
    """Make the error for an attribute that a model has not.

    Parameters
    ----------
    kind : type
        The class of the model.
    name : str
        What was asked for.

    Returns
    -------
    AttributeError
        To be raised.

    Examples
    --------
    >>> print(no_such_method(object, "compile"))
    object.compile: expected a name of object, got 'compile'. There is nothing to compile: fit takes the loss
        and the optimizer.
    """
    if name.startswith("_"):  # asked for by Python and its tools, and not by people
        return AttributeError(f"{kind.__name__!r} object has no attribute {name!r}", name=name)
    import difflib

    plain = name.lower().replace("_", "")
    fix = next((fix for fix, names in _METHODS.items() if plain in names.split()), "")
    asked = next((vars(base)[name] for base in kind.__mro__ if name in vars(base)), None)
    fix = fix or (asked.fix if isinstance(asked, _Elsewhere) else "")  # a model is a layer
    names = [key for key in dir(kind) if not key.startswith("_") and hasattr(kind, key)]
    known = sorted({"params", "rng", *names})
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
    fix = fix or (f"Did you mean {close[0]}?" if close else f"There are {', '.join(known)}.")
    where = f"{kind.__name__}.{name}"
    return AttributeError(f"{where}: expected a name of {kind.__name__}, got {name!r}. {fix}")


def no_such_name(module: str, name: str) -> AttributeError:
    """Make the error for a name that a module has not.

    Parameters
    ----------
    module : str
        Such as ``"nnlite"`` or ``"nnlite.layers"``.
    name : str
        What was asked for.

    Returns
    -------
    AttributeError
        To be raised. It says what is meant, if that is known from elsewhere or sounds like a name here.

    Examples
    --------
    >>> print(no_such_name("nnlite", "Linear"))
    nnlite.Linear: expected a name of nnlite, got 'Linear'. It is Dense(in_features, out_features).
    """
    if name.startswith("__"):  # asked for by Python and its tools, and not by people
        return AttributeError(f"module {module!r} has no attribute {name!r}", name=name)
    plain = name.lower().replace("_", "")
    fix = next((fix for fix, names in _ELSEWHERE.items() if plain in names.split()), "")
    return AttributeError(
        f"{module}.{name}: expected a name of {module}, got {name!r}. {fix or _closest(module, name)}"
    )


def one_of(kind: str, candidate: Any, fix: str) -> str:
    """Say what to write in the place of a name of a loss or an optimizer; of what is no name, `fix`.

    Examples
    --------
    >>> one_of("losses", "mse", "Use one of nnlite.losses."), one_of("optimizers", "adam", "")
    ('It is MeanSquaredError().', 'Write Adam().')
    """
    if not isinstance(candidate, str):
        return fix
    plain = candidate.lower().replace("_", "")
    for known in getattr(sys.modules.get(f"nnlite.{kind}"), "__all__", ()):
        if known.lower() == plain:
            return f"Write {known}()."
    return next((text for text, names in _ELSEWHERE.items() if plain in names.split()), fix)


def layer_for(candidate: Any) -> str:
    """Say what to write in the place of something that is no layer.

    Parameters
    ----------
    candidate : object
        What was given.

    Returns
    -------
    str

    Examples
    --------
    >>> layer_for("relu"), layer_for([])
    ('Write ReLU().', 'Write Sequential([...]) for layers in a row, which is a layer too.')
    """
    if isinstance(candidate, list | tuple):
        return "Write Sequential([...]) for layers in a row, which is a layer too."
    name = candidate if isinstance(candidate, str) else getattr(candidate, "__name__", "")
    for layer in getattr(sys.modules.get("nnlite.layers"), "__all__", ()):
        if layer.lower() == name.lower().replace("_", ""):
            return f"Write {layer}({'...' * isinstance(candidate, type)})."
    return "Use one of nnlite.layers, or subclass nnlite.Layer for your own."


def closest(name: str, known: Sequence[str]) -> str | None:
    """Return the one of some names that is written nearly so, if there is one.

    Parameters
    ----------
    name : str
        What was asked for.
    known : sequence of str
        What there is.

    Returns
    -------
    str or None

    Examples
    --------
    >>> closest("val_loss", ["loss", "validation_loss"])
    'validation_loss'
    """
    import difflib

    name = re.sub("^val_", "validation_", name)  # as Keras has it
    return next(iter(difflib.get_close_matches(name, known, n=1)), None)


def missing_names(module: str) -> Callable[[str], NoReturn]:
    """Make the ``__getattr__`` of a module that has nothing but what it has.

    Parameters
    ----------
    module : str
        Its ``__name__``.

    Returns
    -------
    callable (str) -> NoReturn

    Examples
    --------
    >>> missing_names("nnlite.layers")("Linear")
    Traceback (most recent call last):
    ...
    AttributeError: nnlite.layers.Linear: expected a name of nnlite.layers, got 'Linear'. It is
        Dense(in_features, out_features).
    """

    def give(name: str) -> NoReturn:
        raise no_such_name(module, name)

    return give


def _closest(module: str, name: str) -> str:
    """Say where the name is, or which one is written nearly so."""
    import difflib  # a part of the time that `import nnlite` takes

    places: dict[str, str] = {}
    for place in (module, "nnlite", *(f"nnlite.{part}" for part in _PARTS)):
        for known in getattr(sys.modules.get(place), "__all__", ()):
            places.setdefault(known, place)
    if name in places:
        return f"It is {places[name]}.{name}."
    lower = {known.lower(): known for known in places}
    close = [known for known in lower if len(name) > 2 and known.startswith(name.lower())]
    close = close or difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.75)
    if close:
        known = lower[close[0]]
        return f"Did you mean {places[known]}.{known}?"
    return f"dir({module}) lists what there is."
