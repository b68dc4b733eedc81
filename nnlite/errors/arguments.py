"""Calls with arguments that do not exist or are missing: an error that names the right one.

Python's own TypeError says that ``lr`` is unexpected, and leaves it to the reader to find out that
it is called ``learning_rate`` here. `explained` says so, for a function; a class that inherits from
`Explained` has it for its ``__init__``, and so has every subclass. A call that is right costs one
more call of a function, and nothing is looked up for it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, TypeVar

from nnlite.errors import ArgumentError, ArgumentTypeError

__all__ = ["Declared", "Explained", "check_method", "explained", "is_ours", "not_stored"]

#: Characters of a value that is shown in a message.
LONGEST = 40

Function = TypeVar("Function", bound=Callable[..., Any])

#: What an argument is called elsewhere, and here. The first one that the function has is named.
_ALIASES: dict[str, tuple[str, ...]] = {
    "lr": ("learning_rate", "rate", "peak"),
    "learning_rate": ("rate", "peak"),
    "learning_rate_init": ("learning_rate",),
    "initial_learning_rate": ("rate", "peak"),
    "max_lr": ("peak",),
    "T_max": ("steps",),
    "decay_steps": ("steps",),
    "total_steps": ("steps",),
    "p": ("rate",),
    "drop_rate": ("rate",),
    "eps": ("epsilon",),
    "decay": ("factor",),
    "alpha": ("weight_decay", "negative_slope"),
    "l2": ("weight_decay",),
    "clipnorm": ("clip_norm",),
    "global_clipnorm": ("clip_norm",),
    "max_norm": ("clip_norm",),
    "gradient_accumulation_steps": ("accumulate",),
    "accumulate_grad_batches": ("accumulate",),
    "data_augmentation": ("augment",),
    "transform": ("augment",),
    "clipvalue": ("clip_value",),
    "units": ("out_features",),
    "filters": ("out_channels",),
    "in_features": ("in_channels",),
    "out_features": ("out_channels", "units"),
    "input_size": ("in_features",),
    "hidden_size": ("units",),
    "maxlen": ("length",),
    "truncating": ("keep",),
    "window_size": ("steps",),
    "horizon": ("steps",),
    "output_dim": ("out_features", "features"),
    "in_channels": ("in_features",),
    "input_dim": ("in_features", "categories", "features"),
    "input_shape": ("shape",),
    "num_embeddings": ("categories",),
    "embedding_dim": ("features",),
    "num_features": ("features",),
    "normalized_shape": ("features",),
    "use_bias": ("bias",),
    "kernel_initializer": ("weight_initializer",),
    "quantile": ("q",),
    "tau": ("q",),
    "sample_weight": ("weight",),
    "weights": ("weight",),
    "momentum": ("beta1",),
    "criterion": ("loss",),
    "optim": ("optimizer",),
    "validation_data": ("validation",),
    "validation_split": ("validation",),
    "validation_fraction": ("validation",),
    "eval_set": ("validation",),
    "batch": ("batch_size",),
    "n_epochs": ("epochs",),
    "num_epochs": ("epochs",),
    "nb_epoch": ("epochs",),
    "max_iter": ("epochs",),
    "callback": ("callbacks",),
    "metric": ("metrics",),
    "seed": ("rng",),
    "random_state": ("rng",),
    "generator": ("rng",),
    "test_size": ("test",),
    "n_splits": ("folds",),
    "num_classes": ("classes",),
    "n_samples": ("samples",),
}

#: What a layer does not say of its own parameters.
_IN_A_GROUP = "Put the layer into a group: ParameterGroup([LAYER(...)], {})."

#: What to do in the place of an argument that nothing here is the same as; LAYER is the one that was asked.
_INSTEAD: dict[str, str] = {
    "activation": "Activations are layers of their own: write LAYER(...), ReLU(), one after the other.",
    "verbose": "Leave it out; fit(callbacks=[nnlite.ProgressBar()]) shows how far it is.",
    "training": "Give model.context() for a pass as in training; without it, it is one as in prediction.",
    "kernel_regularizer": _IN_A_GROUP.format("l2=0.01"),
    "l1": _IN_A_GROUP.format("l1=0.01"),
    "l2": _IN_A_GROUP.format("l2=0.01"),
    "weight_decay": _IN_A_GROUP.format("l2=0.01")[:-1] + ", or write AdamW(weight_decay=0.01) for all.",
    "kernel_constraint": _IN_A_GROUP.format("max_norm=3"),
    "max_norm": _IN_A_GROUP.format("max_norm=3"),
    "activity_regularizer": "Penalties are on weights: " + _IN_A_GROUP.format("l2=0.01"),
    "use_ema": "Write callbacks=[nnlite.AveragedWeights(0.99)].",
    "ema_momentum": "Write callbacks=[nnlite.AveragedWeights(0.99)].",
    "gradient_accumulation_steps": "Write fit(accumulate=4), with the batch_size of the whole step.",
    "betas": "Write them one by one: beta1=0.9, beta2=0.999, for instance.",
    "input_shape": "Write how many numbers a row has as the first argument: Dense(4, 8).",
    "initial_epoch": "Write resume= and the path of a Checkpoint to go on from it.",
    "lr": "A rate is for SGD, Adam and the like: optimizer=nnlite.Adam(0.01).",
    "learning_rate": "A rate is for SGD, Adam and the like: optimizer=nnlite.Adam(0.01).",
    "warmup": "Put WarmUp around it: WarmUp(CosineDecay(0.01), steps=5).",
    "warmup_steps": "Put WarmUp around it: WarmUp(CosineDecay(0.01), steps=5).",
    "schedule": "Give the optimizer a schedule in the place of a rate: Adam(nnlite.CosineDecay(0.01)).",
    "scheduler": "Give the optimizer a schedule in the place of a rate: Adam(nnlite.CosineDecay(0.01)).",
    "lr_scheduler": "Give the optimizer a schedule in the place of a rate: Adam(nnlite.CosineDecay(0.01)).",
    "patience": "Write callbacks=[nnlite.EarlyStopping(patience=10)].",
    "mode": "Write higher_is_better=True or False, where the metric does not say it.",
    "restore_best_weights": "The best weights are always put back; leave it out.",
    "weight": "Weights of rows or classes go to fit: weight=, class_weight=.",
    "beta_1": "Write beta1=.",
    "beta_2": "Write beta2=.",
    "params": "An optimizer meets the parameters in fit, or in step(model.params); leave them out.",
    "from_logits": "Losses for classification take logits: leave Softmax and Sigmoid out of the model.",
    "reduction": "A loss is the mean over rows and outputs.",
    "early_stopping": "Write callbacks=[nnlite.EarlyStopping()].",
    "checkpoint": "Write callbacks=[nnlite.Checkpoint(path)].",
    "axis": "The last axis holds the features, the one before it the rows; leave it out.",
    "dim": "The last axis holds the features, the one before it the rows; leave it out.",
    "device": "Everything is computed by NumPy, on the CPU; leave it out.",
    "name": "Layers have no names: model[0] is the first.",
    "inplace": "No layer writes over its input; leave it out.",
}


def explained(function: Function) -> Function:
    """Let a function say which argument is unexpected or missing, and what it is called here.

    Parameters
    ----------
    function : callable
        What is called by users.

    Returns
    -------
    callable
        With the same signature and documentation. It raises an `ArgumentTypeError` where Python
        would raise a TypeError about the arguments of this very call.

    Examples
    --------
    >>> @explained
    ... def train(model, *, learning_rate=0.1):
    ...     return learning_rate
    >>> train("net", learning_rate=0.5)
    0.5
    >>> train("net", lr=0.5)
    Traceback (most recent call last):
    ...
    nnlite.errors.ArgumentTypeError: train(lr=): expected one of model, learning_rate, got lr=0.5. Write
        learning_rate=0.5.
    """

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except TypeError as error:
            # The frame of the function itself, if there is one, says that the call was possible.
            # No name for the traceback here: it would hold itself, and all that is in sight.
            if error.__traceback__ is not None and error.__traceback__.tb_next is None:
                raise _explanation(function, args, kwargs) or error from None
            raise

    return call  # type: ignore[return-value]


class Explained:
    """Base class of what is made by users: its ``__init__`` says which argument is unexpected or missing.

    Examples
    --------
    >>> class Circle(Explained):
    ...     '''A circle.
    ...
    ...     Parameters
    ...     ----------
    ...     radius : float
    ...         How far the line is from the middle.
    ...     '''
    ...     def __init__(self, radius, *, dashed=False):
    ...         self.radius = radius
    >>> Circle()
    Traceback (most recent call last):
    ...
    nnlite.errors.ArgumentTypeError: Circle(): expected the argument radius, got none. Write
        Circle(radius): how far the line is from the middle.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in cls.__dict__:
            cls.__init__ = explained(cls.__init__)  # type: ignore[method-assign]


class Declared(Explained):
    """Base class of what is set up by its attributes: one of nnlite's takes none that nobody reads.

    ``optimizer.weight_dacay = 0.1`` would change nothing, and say nothing. An attribute is known if it
    is an argument of ``__init__`` or named in the class: by an annotation, a property that can be set,
    or a method. A class of your own takes every name, and so does what begins with ``_``.

    Examples
    --------
    >>> from nnlite import SGD
    >>> SGD(0.1).lr = 0.01
    Traceback (most recent call last):
    ...
    nnlite.errors.ArgumentTypeError: SGD.lr: expected an attribute that it reads, got lr = 0.01. Write
        learning_rate=0.01.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        # No look into __dict__: with a dict that was asked for, CPython finds attributes more slowly.
        cls = type(self)
        known = name[0] == "_" or not is_ours(cls) or _takes(cls, name)  # type: ignore[arg-type]
        if not known and name not in self.__dict__:
            raise ArgumentTypeError(
                f"{cls.__name__}.{name}",
                "an attribute that it reads",
                f"{name} = {_short(value)}",
                _instead(name, value, sorted(_declared(cls))),  # type: ignore[arg-type]
            )
        super().__setattr__(name, value)


@lru_cache(maxsize=4096)
def _takes(cls: type, name: str) -> bool:
    """Tell whether instances of one of our classes may have an attribute of that name."""
    found = getattr(cls, name, None)
    if isinstance(found, property):
        return found.fset is not None
    return callable(found) or hasattr(found, "__set__") or name in _declared(cls)


@lru_cache(maxsize=256)
def _declared(cls: type) -> frozenset[str]:
    """Return the arguments, the annotated names, and what can be set by a property."""
    import inspect

    names: set[str] = set()
    for base in cls.__mro__[:-1]:
        if "__init__" in vars(base):
            names |= set(inspect.signature(vars(base)["__init__"]).parameters) - {"self"}
        own = vars(base).get("__annotations__", {})
        names |= {name for name, kind in own.items() if not f"{kind}".startswith(("ClassVar", "typing.Cl"))}
        names |= {name for name, kind in vars(base).items() if isinstance(kind, property) and kind.fset}
    return frozenset(name for name in names if not name.startswith("_"))


def not_stored(cls: type, name: str) -> ArgumentError:
    """Make the error for an argument that cannot be written into a file, as it was not kept.

    Examples
    --------
    >>> print(not_stored(float, "rate"))
    float.config: expected the argument 'rate' stored as self.rate, got no such attribute. Write self.rate =
        rate in __init__, or override config().
    """
    what, fix = f"the argument {name!r} stored as self.{name}", f"Write self.{name} = {name} in __init__"
    return ArgumentError(f"{cls.__name__}.config", what, "no such attribute", f"{fix}, or override config().")


def check_method(
    thing: Any, name: str, base: type, *, in_short: bool = True, kind: type[Exception] = ArgumentTypeError
) -> None:
    """Refuse a method of a user's own that cannot be called as that of the base class is.

    Parameters
    ----------
    thing : object
        A layer, or a loss.
    name : str
        That of the method.
    base : type
        The class whose method says with which arguments it will be called.
    in_short : bool
        Whether it is also called without those that have a default there.
    kind : type of error
        What is raised.

    Raises
    ------
    ArgumentTypeError
        If it takes fewer arguments, or needs more.

    Examples
    --------
    >>> from nnlite import Dense, Layer
    >>> check_method(Dense(2, 3), "forward", Layer)
    """
    method = getattr(thing, name)
    if is_ours(method):
        return
    import inspect  # 5 ms, and only what is a user's own asks for it

    try:
        found = inspect.signature(method)
    except (TypeError, ValueError):  # a built-in function that does not tell
        return
    wanted = list(inspect.signature(getattr(base, name)).parameters.values())[1:]
    needed = [one for one in wanted if one.default is one.empty]
    for call in (wanted, needed) if in_short else (wanted,):
        try:
            found.bind(*call)
        except TypeError:
            shown, got = (
                ", ".join(str(one.replace(annotation=one.empty)) for one in some)
                for some in (wanted, found.parameters.values())
            )
            fix = f"Write def {name}(self, {shown})."
            where = f"{type(thing).__name__}.{name}"
            raise kind(where, f"the arguments ({shown})", f"({got})", fix) from None


def is_ours(thing: Any) -> bool:
    """Tell whether a class or a method is one of nnlite, and none of a user's own.

    Parameters
    ----------
    thing : class or method
        Any.

    Returns
    -------
    bool

    Examples
    --------
    >>> from nnlite import Dense
    >>> is_ours(Dense(2, 3).forward), is_ours(print)
    (True, False)
    """
    return f"{getattr(thing, '__module__', '')}".startswith("nnlite.")


def _explanation(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> ArgumentTypeError | None:
    """Return what is wrong with the arguments of a call, or None if they fit."""
    import inspect  # 5 ms, and only an error asks for it

    signature = inspect.signature(function)
    try:
        signature.bind(*args, **kwargs)
    except TypeError:
        pass
    else:
        return None
    parameters = dict(signature.parameters)
    name, owner = function.__name__, function
    if next(iter(parameters), "") == "self" and args:
        of = type(args[0])
        del parameters["self"]
        name, owner = (of.__name__, of) if name == "__init__" else (f"{of.__name__}.{name}", function)
        args = args[1:]
    by_place = [key for key, one in parameters.items() if one.kind is not one.KEYWORD_ONLY]
    for key, value in kwargs.items():
        if key not in parameters:
            return ArgumentTypeError(
                f"{name}({key}=)",
                f"one of {', '.join(parameters)}" if parameters else "no arguments",
                f"{key}={_short(value)}",
                _instead(key, value, list(parameters), name),
            )
    needed = [key for key, one in parameters.items() if one.default is one.empty]
    shown = [key for key in parameters if key in needed or key in by_place[: len(args)]]
    usage = f"{name}({', '.join(key if key in by_place else f'{key}=...' for key in shown)})"
    if len(args) > len(by_place):
        if by_place in (["layers"], ["branches"]):
            fix = f"Write the {by_place[0]} as a list: {name}([...])."
        elif by_place == ["shape"] and all(isinstance(one, int) for one in args):
            fix = f"Write {name}({args})."
        else:
            rest = [f"{key}=" for key, one in parameters.items() if one.kind is one.KEYWORD_ONLY]
            fix = f"Name the rest: {', '.join(rest)}." if rest else f"Write {usage}."
            if isinstance(args[len(by_place)], str) and "weight_initializer" in parameters:
                fix = _INSTEAD["activation"].replace("LAYER", name)
        most = len(by_place)
        count = f"at most {most} argument{'s' if most > 1 else ''} without a name"
        if not most:
            count = "named arguments only" if parameters else "no arguments"
        return ArgumentTypeError(f"{name}()", count, f"{len(args)} without a name", fix)
    given = {*by_place[: len(args)], *kwargs}
    missing = [key for key in needed if key not in given]
    if not missing:  # one of them by place and by name
        twice = next(key for key in by_place[: len(args)] if key in kwargs)
        return ArgumentTypeError(f"{name}({twice}=)", "it once", "it by place and by name", f"Write {usage}.")
    what = "the argument" if len(missing) == 1 else "the arguments"
    got = ", ".join([_short(value) for value in args] + [f"{key}={_short(v)}" for key, v in kwargs.items()])
    about = _described(owner, missing[0])
    return ArgumentTypeError(
        f"{name}()",
        f"{what} {' and '.join(missing)}",
        f"{got} alone" if got else "none",
        f"Write {usage}{f': {about}' if about else ''}.",
    )


def _instead(key: str, value: Any, known: list[str], name: str = "") -> str:
    """Say what to write in the place of an argument that there is not, in a call of that name."""
    import difflib

    if key == "decay" and "weight_decay" in known:  # both are called so elsewhere
        return "Write weight_decay= for a pull to zero; a rate that falls is a schedule, CosineDecay(0.1)."
    for alias in (*_ALIASES.get(key, ()), key.lower(), key.upper()):
        if alias in known:
            text = repr(value)
            shown = text if len(text) <= LONGEST and "\n" not in text else "..."
            return f"Write {alias}={shown}."
    if key == "input_shape" and isinstance(value, tuple | list) and len(value) > 1:
        return f"Put Input({tuple(value)}) in front."
    if key in _INSTEAD:
        return _INSTEAD[key].replace("LAYER", name if "weight_initializer" in known else "Dense")
    close = difflib.get_close_matches(key, known, n=1)
    return f"Did you mean {close[0]}=?" if close else "Leave it out."


def _short(value: Any) -> str:
    """Show a value in a message; arrays and other long things by their kind."""
    text = repr(value)
    return text if len(text) <= LONGEST and "\n" not in text else type(value).__name__


def _described(owner: Any, key: str) -> str:
    """Return the first sentence on an argument from a docstring in numpydoc form, if it has one."""
    lines = [line.strip().replace("``", "") for line in (owner.__doc__ or "").splitlines()]
    for place, line in enumerate(lines):
        names, colon, _ = line.partition(" : ")
        if colon and key in names.split(", "):
            text = " ".join(lines[place + 1 : place + 4]).split(". ")[0].split("; ")[0].rstrip(".")
            return text[:1].lower() + text[1:]
    return ""
