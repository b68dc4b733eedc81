"""Load model files that were damaged on purpose, and report what happened: ``python tests/hostile_files.py``.

It runs in a process of its own, in which every import, every start of a program and every file that
is opened is seen (PEP 578), and the memory that a load takes is measured. test_hostile_files.py
starts it and judges the report.
"""

from __future__ import annotations

import collections
import contextlib
import copy
import gc
import importlib
import json
import os
import random
import re
import signal
import struct
import subprocess
import sys
import tempfile
import tracemalloc
import zlib
from pathlib import Path
from unittest import mock

import numpy as np

import nnlite as nn
from nnlite.errors import ModelFileError, NotFittedError

DATA = Path(__file__).parent / "data"
FORM = re.compile(r"load\('.*?'\): expected \S.*, got \S(.*[^.])?\. [A-Z].*[^.]\.", re.DOTALL)
#: No load of these small files takes a hundredth of it.
SECONDS = 30


# JSON that a parser need not accept: objects are lists of pairs, so that names can be there twice.


class Pairs(list):
    """An object, as (name, value) pairs."""


class Raw(str):
    """A text that is written as it is."""

    __slots__ = ()


def parse(text):
    return json.loads(text, object_pairs_hook=lambda pairs: Pairs([list(pair) for pair in pairs]))


def dump(node):
    if isinstance(node, Raw):
        return str(node)
    if isinstance(node, Pairs):
        return "{" + ", ".join(f"{dump(name)}: {dump(value)}" for name, value in node) + "}"
    if isinstance(node, list):
        return "[" + ", ".join(map(dump, node)) + "]"
    return json.dumps(node)


def get(pairs, name):
    return next((value for found, value in pairs if found == name), None)


def put(pairs, name, value):
    for pair in pairs:
        if pair[0] == name:
            pair[1] = value
            return
    pairs.append([name, value])


class Parts:
    """A file, taken apart: header, architecture and numbers."""

    def __init__(self, content):
        length = int.from_bytes(content[:8], "little")
        self.header = parse(content[8 : 8 + length].decode())
        self.numbers = bytearray(content[8 + length :])
        self.metadata = get(self.header, "__metadata__")
        self.architecture = parse(get(self.metadata, "nnlite"))
        self.tensors = [pair for pair in self.header if pair[0] != "__metadata__"]

    def join(self, *, checksum=True):
        """Put the parts together again, with the right length and, if wanted, the right checksum."""
        text = dump(self.architecture)
        put(self.metadata, "nnlite", text)
        if checksum and get(self.metadata, "crc32") is not None:
            found = zlib.crc32(self.numbers, zlib.crc32(text.encode(errors="surrogatepass")))
            put(self.metadata, "crc32", f"{found:08x}")
        head = dump(self.header).encode(errors="surrogatepass")
        return len(head).to_bytes(8, "little") + head + bytes(self.numbers)


# Mutations. Each takes a source of randomness and the good files, and returns the bytes of a file.

NAMES = [
    *(
        "../../x",
        "/etc/passwd",
        "C:\\x",
        "os.system",
        "builtins.eval",
        "nnlite.layers.Dense",
        "__class__",
        "",
    ),
    *("Layer", "Sequential", "Gradients", "HeNormal", "Constant", "Initializer", "Dense", "Dropout", "ELU"),
    *("Standardize", "Flatten", "LeakyReLU", "Softmax", "Embedding", "TableEncoder", "float32", "float16"),
    *("Residual", "BatchNorm", "Chain", "2.1.0.W", "1.running_mean", "0.0.mean", "layers"),
    *("0.W", "1.W", "1.b", "0.mean", "W", "F32", "F64", "I64", "BOOL", "nnlite", "crc32", "__metadata__"),
    *("class", "config", "initializer", "numeric", "categorical", "float64", "a" * 3000, "\x00", "%s{}"),
    *("\ud800", "\U0001f600", "this.s", "wave.open", "xml.dom.minidom.parse"),  # modules that nobody imported
]
NUMBERS = [
    *(0, 1, -1, 2, 3, 4, 63, 64, 65, 255, 10**4, 2**31, 2**32 - 1, 2**53, 2**62, 2**63, 2**64, 10**30),
    *(10**400, 0.0, -0.0, 0.5, 1.5, -1e-300, 5e-324, 1e300, -1e300, 1e39),
]
WRONG = [
    *(None, True, False, [], Pairs(), [[]], [None], Pairs([["a", 1]])),
    *map(Raw, ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "01", "'a'", "{", "]", "1,", '"\\ud800"']),
    *(Raw("9" * 5000), Raw("[" * 100_000), Raw("[" * 3000 + "]" * 3000)),
    Raw('{"a":' * 3000 + "1" + "}" * 3000),
    Pairs([["initializer", "HeNormal"], ["config", Pairs()]]),
    Pairs([["initializer", "os.system"], ["config", Pairs()]]),
    Pairs([["initializer", "Constant"], ["config", Pairs([["value", 1e300]])]]),
    Pairs([["class", "Dense"], ["config", Pairs([["in_features", 4], ["out_features", 4]])]]),
]
FLOATS = [np.nan, np.inf, -np.inf, 0.0, -0.0, -1.0, 1e-45, 3e38, -3e38]


def hostile_value(random_):
    return random_.choice(random_.choice([NAMES, NUMBERS, WRONG]))


def places(node, found=None):
    """Return every place in a tree: what holds it, and at which index."""
    found = [] if found is None else found
    if isinstance(node, Pairs):
        for pair in node:
            found.append((pair, 0))
            found.append((pair, 1))
            places(pair[1], found)
        found.extend((node, index) for index in range(len(node)))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            found.append((node, index))
            places(value, found)
    return found


def mutate_tree(random_, tree):
    """Change one place of a tree of JSON."""
    spots = places(tree)
    if not spots:
        return
    holder, index = random_.choice(spots)
    value = holder[index]
    if isinstance(holder, Pairs):  # a whole entry of an object
        what = random_.randrange(4)
        if what == 0:
            del holder[index]
        elif what == 1:
            holder.append(list(value))  # the same name twice
        elif what == 2:
            holder.append([value[0], hostile_value(random_)])
        else:
            holder.append([random_.choice(NAMES), hostile_value(random_)])
        return
    what = random_.randrange(6)
    if what == 0 and isinstance(value, int | float) and not isinstance(value, bool):
        holder[index] = random_.choice(
            [value + 1, value - 1, -value, value * 2, float(value), str(value), [value]]
        )
    elif what == 1 and isinstance(value, list) and not isinstance(value, Pairs) and value:
        kind = random_.randrange(5)
        if kind == 0:
            value *= random_.choice([0, 2, 100])
        elif kind == 1:
            value.reverse()
        elif kind == 2:
            value.append(hostile_value(random_))
        elif kind == 3:
            del value[random_.randrange(len(value))]
        else:
            value.insert(random_.randrange(len(value)), random_.choice(value))
    elif what == 2:
        other, place = random_.choice(spots)
        if not isinstance(other, Pairs):
            holder[index] = other[place] if isinstance(other[place], int | float | str) else value
    elif what == 3 and isinstance(value, str):
        cut = random_.randrange(len(value) + 1)
        holder[index] = value[:cut] + random_.choice(["", "\x00", ".", "/", "A", "é"]) + value[cut + 1 :]
    else:
        holder[index] = hostile_value(random_)


def flip_bits(random_, good):
    content = bytearray(random_.choice(good))
    for _ in range(random_.choice([1, 1, 1, 2, 8])):
        content[random_.randrange(len(content))] ^= 1 << random_.randrange(8)
    return bytes(content)


def overwrite(random_, good):
    content = bytearray(random_.choice(good))
    start = random_.randrange(len(content))
    length = random_.choice([1, 2, 4, 8, 64])
    filling = random_.choice([b"\x00", b"\xff", b"9", b'"', b"[", b"{", random_.randbytes(1)])
    content[start : start + length] = filling * len(content[start : start + length])
    return bytes(content)


def cut(random_, good):
    content = random_.choice(good)
    start, stop = sorted(random_.choices(range(len(content) + 1), k=2))
    return random_.choice(
        [content[:stop], content[start:], content[:start] + content[stop:], b"", content[:8]]
    )


def grow(random_, good):
    content = random_.choice(good)
    start, stop = sorted(random_.choices(range(len(content) + 1), k=2))
    piece = random_.choice([content[start:stop], random_.randbytes(64), b"\x00", b" " * 8])
    return content[:start] + piece + content[start:]


def splice(random_, good):
    one, other = random_.choices(good, k=2)
    return one[: random_.randrange(len(one))] + other[random_.randrange(len(other)) :]


def lie_about_the_length(random_, good):
    content = random_.choice(good)
    true = int.from_bytes(content[:8], "little")
    lie = random_.choice(
        [0, 1, 2, 7, true - 1, true + 1, true * 2, len(content), len(content) - 8, 2**31, 2**63, 2**64 - 1]
    )
    return lie.to_bytes(8, "little") + content[8:]


def change_header(random_, good):
    parts = Parts(random_.choice(good))
    for _ in range(random_.choice([1, 1, 2, 5])):
        mutate_tree(random_, parts.header)
    if not isinstance(parts.metadata, Pairs):
        parts.metadata = Pairs()
    return parts.join(checksum=random_.random() < 0.9)


def lie_about_a_tensor(random_, good):
    parts = Parts(random_.choice(good))
    name, about = random_.choice(parts.tensors)
    start, stop = get(about, "data_offsets")
    size = len(parts.numbers)
    what = random_.randrange(7)
    if what == 0:
        lies = [0, 1, start, stop, stop + 1, stop - 4, size, size + 4, 2**31, 2**62, 2**63, -4, start + 0.0]
        put(about, "data_offsets", random_.choices(lies, k=random_.choice([0, 1, 2, 2, 2, 2, 3])))
    elif what == 1:
        put(
            about,
            "shape",
            random_.choices([0, 1, 2, 3, 4, 2**16, 2**32, 2**62, -1, 10**30], k=random_.randrange(5)),
        )
    elif what == 2:  # shape and offsets agree, the numbers are not there
        put(about, "shape", [10 ** random_.randrange(3, 18)])
        put(about, "data_offsets", [start, start + 4 * get(about, "shape")[0]])
    elif what == 3:
        put(
            about,
            "dtype",
            random_.choice(["F64", "F16", "BF16", "I32", "U8", "BOOL", "I64", "F8_E4M3", "f32", "OBJ", ""]),
        )
    elif what == 4:  # two names for the same numbers
        parts.header.append([random_.choice([*NAMES, name, name + "x"]), about])
    elif what == 5:
        other = random_.choice(parts.tensors)
        about_other = list(get(other[1], "data_offsets"))
        put(other[1], "data_offsets", [start, stop])
        put(about, "data_offsets", about_other)
    else:
        put(about, "shape", list(get(about, "shape")) + [1] * random_.choice([1, 2, 63, 64, 1000]))
    return parts.join()


def change_architecture(random_, good):
    parts = Parts(random_.choice(good))
    for _ in range(random_.choice([1, 1, 1, 2, 5])):
        mutate_tree(random_, parts.architecture)
    return parts.join(checksum=random_.random() < 0.95)


def change_layers(random_, good):
    parts = Parts(random_.choice(good))
    layers = get(parts.architecture, "layers")
    what = random_.randrange(6)
    place = random_.randrange(len(layers))
    new = Pairs([["class", random_.choice(NAMES)], ["config", Pairs()]])
    if random_.random() < 0.5:
        get(new, "config").append(
            [random_.choice(["features", "rate", "shape", "command"]), hostile_value(random_)]
        )
    if what == 0:
        layers.insert(place, new)
    elif what == 1:
        layers[place] = new
    elif what == 2:
        random_.shuffle(layers)
    elif what == 3:
        layers.extend(
            [Pairs([["class", "Tanh"], ["config", Pairs()]])] * random_.choice([1, 10, 300, 11_000])
        )
    elif what == 4:
        put(parts.architecture, "replicas", hostile_value(random_))
    else:
        config = get(layers[place], "config")
        if config:
            random_.choice(config)[1] = hostile_value(random_)
    return parts.join()


def change_blocks(random_, good):
    """Put layers into others, or take them out, with or without their tensors' names."""
    parts = Parts(random_.choice(good))
    layers = get(parts.architecture, "layers")
    lists = [layers, *(value for _, value in _entries_with_layers(layers))]
    chosen = random_.choice(lists)
    place = random_.randrange(len(chosen))
    what = random_.randrange(6)
    if what == 0:  # into a block, with the right names if it is the first of the model
        kind = random_.choice(["Residual", "Sequential", "Chain", "Dense"])
        config = Pairs([["layers", [chosen[place]]]])
        chosen[place] = Pairs([["class", kind], ["config", config]])
        if chosen is layers and random_.random() < 0.8:
            for pair in parts.tensors:
                if pair[0].startswith(f"{place}."):
                    pair[0] = f"{place}.0." + pair[0].partition(".")[2]
    elif what == 1:  # as deep as it goes, or deeper
        for _ in range(random_.choice([5, 31, 32, 33, 60])):
            kind = random_.choice(["Residual", "Sequential"])
            chosen[place] = Pairs([["class", kind], ["config", Pairs([["layers", [chosen[place]]]])]])
    elif what == 2:  # its own part
        chosen.insert(place, copy.deepcopy(random_.choice(layers)))
    elif what == 3:  # what a Sequential has and a part has not
        more = random_.choice(["replicas", "rng", "dtype", "preprocessing"])
        config = Pairs([["layers", [chosen[place]]], [more, hostile_value(random_)]])
        chosen[place] = Pairs([["class", "Sequential"], ["config", config]])
    elif what == 4:
        chosen[place] = random_.choice([chosen[place:], [[chosen[place]]], [], Pairs([["a", chosen[place]]])])
    else:
        put(parts.architecture, "format", random_.choice([1, 2, 3, 4, 5]))
    return parts.join()


def _entries_with_layers(layers):
    """Yield the arguments of blocks that are lists of layers, as pairs."""
    for entry in layers:
        for pair in get(entry, "config") or []:
            if pair[0] == "layers" and isinstance(pair[1], list) and not isinstance(pair[1], Pairs):
                yield pair
                yield from _entries_with_layers(pair[1])


def widen_consistently(random_, good):
    """Let header and architecture tell the same lie about sizes."""
    parts = Parts(random_.choice(good))
    factor = random_.choice([0, 2, 10**6, 2**40])
    for holder, index in places(get(parts.architecture, "layers")):
        if type(holder[index]) is int:
            holder[index] *= factor
    stop = 0
    for _, about in parts.tensors:
        put(about, "shape", [size * factor for size in get(about, "shape")])
        start, stop = stop, stop + 4 * int(np.prod([float(size) for size in get(about, "shape")]))
        put(about, "data_offsets", [start, stop])
    return parts.join()


def change_numbers(random_, good):
    parts = Parts(random_.choice(good))
    for _ in range(random_.choice([1, 3, 20])):
        _, about = random_.choice(parts.tensors)
        start, stop = get(about, "data_offsets")
        size = {"F32": 4, "F64": 8}[get(about, "dtype")]
        place = start + size * random_.randrange((stop - start) // size)
        struct.pack_into("<f" if size == 4 else "<d", parts.numbers, place, random_.choice(FLOATS))
    return parts.join(checksum=random_.random() < 0.95)


BLIND = [flip_bits, overwrite, cut, grow, splice, lie_about_the_length]
KNOWING = [
    change_header, lie_about_a_tensor, change_architecture, change_architecture, change_layers, change_layers,
    change_blocks, widen_consistently, change_numbers,
]  # fmt: skip


# Files that take as much memory, and as long, as a file of their size can.


def worst_cases():
    """Yield a name and the bytes of each."""
    top = {"format": 2, "version": "0", "dtype": "float32", "replicas": None, "frozen": []}
    top |= {"feature_names": None, "preprocessing": None, "layers": [{"class": "Tanh", "config": {}}]}

    def raw(header, numbers=b""):
        text = (
            header.encode() if isinstance(header, str) else json.dumps(header, separators=(",", ":")).encode()
        )
        return len(text).to_bytes(8, "little") + text + numbers

    def built(tensors=(), numbers=b"", **changes):
        return raw({"__metadata__": {"nnlite": json.dumps(top | changes)}, **dict(tensors)}, numbers)

    def tensors(names, *shape):
        size = 4 * int(np.prod(shape))
        offsets = ([size * index, size * (index + 1)] for index in range(len(names)))
        return {
            name: {"dtype": "F32", "shape": list(shape), "data_offsets": offset}
            for name, offset in zip(names, offsets, strict=True)
        }

    def document(text):
        return raw('{"__metadata__": {"nnlite": ' + json.dumps(text, ensure_ascii=False) + "}}")

    def nested(layer, deep, *kinds):
        for index in range(deep - 1):
            kind = (kinds or ("Residual", "Sequential"))[index % len(kinds or "..")]
            layer = {"class": kind, "config": {"layers": [layer]}}
        return [layer]

    def dense(wide, out):
        return {"class": "Dense", "config": {"in_features": wide, "out_features": out, "bias": False}}

    names = [str(index) for index in range(180_000)]
    column = {"name": "c", "kind": "categorical", "categories": names, "missing": False}
    state = {"numeric": None, "categorical": None, "min_count": 1, "embedding": None, "embedding_features": 1}
    embedding = {"class": "Embedding", "config": {"categories": [180_001], "features": 1}}

    yield "lists", document("[" + "[]," * 95_000 + "0]")
    yield "objects", document("[" + '{"a":0},' * 60_000 + "0]")
    yield "more lists than allowed", document("[" + "[]," * 1_000_000 + "0]")
    yield "numbers", document("[" + "0.12345678901234567," * 190_000 + "0]")
    yield "long numbers", document("[" + ("9" * 4200 + ",") * 900 + "0]")
    yield "wide letters", document('["\U0001f600' + "a" * 3_000_000 + '",' + "[]," * 90_000 + "0]")
    yield (
        "many tensors",
        raw({name: {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for name in names[:17_000]}),
    )
    yield "many texts", raw({"__metadata__": dict.fromkeys(names[:95_000], "")})
    yield "a long header", raw(" " * 30_000_000 + "{}")
    yield "the longest header", raw(" " * 3_900_000 + "{}")
    for layer in [{"class": "Tanh", "config": {}}, {"class": "Standardize", "config": {"features": 3}}]:
        yield f"10,000 {layer['class']}", built(layers=[layer] * 10_000)
    weights = tensors([f"{index}.W" for index in range(7000)], 1, 1)
    yield "7,000 Dense", built(weights, b"\x00" * 28_000, layers=[dense(1, 1)] * 7000)
    norm = {"class": "BatchNorm", "config": {"features": 1}}
    of_norm = ("gain", "bias", "running_mean", "running_variance")
    for most, deep in (4_000, 0), (290, 31):
        kept = [norm] * most
        for _ in range(deep):
            kept = [{"class": "Sequential", "config": {"layers": kept}}]
        names_of = [f"{'0.' * deep}{index}.{name}" for index in range(most) for name in of_norm]
        yield (
            f"{most} BatchNorm {deep} deep",
            built(tensors(names_of, 1), b"\x01" * 16 * most, format=3, layers=kept),
        )
    opened = '{"class":"Residual","config":{"layers":['
    whole = json.dumps(top | {"format": 3}).replace('{"class": "Tanh", "config": {}}', opened * 5_000)
    yield "5,000 in one another", document(whole[:-2] + "]}}" * 5_000 + whole[-2:])
    for deep in 32, 250:
        yield f"{deep} in one another", built(format=3, layers=nested({"class": "Tanh", "config": {}}, deep))
    yield "a large net inside", built(format=3, layers=nested(dense(10**7, 10**7), 2, "Sequential"))
    inside = [{"class": "Sequential", "config": {"layers": [{"class": "Tanh", "config": {}}]}}]
    yield "3,333 inside", built(format=3, layers=inside * 3_333)
    yield "3,334 inside", built(format=3, layers=inside * 3_334)
    yield (
        "a shape of 180,000 axes",
        built(layers=[{"class": "Flatten", "config": {"shape": [2**60] * 180_000}}]),
    )
    yield "large sizes", built(layers=[{"class": "Flatten", "config": {"shape": [10**4200] * 62}}] * 14)
    yield (
        "many categories",
        built(layers=[{"class": "Embedding", "config": {"categories": [2**24] * 180_000, "features": 1}}]),
    )
    yield (
        "names of columns",
        built(feature_names=names, layers=[{"class": "Standardize", "config": {"features": 180_000}}]),
    )
    yield "the same name often", built(frozen=["0.W"] * 180_000)
    yield (
        "names of categories",
        built(
            tensors(["0.W"], 180_001, 1),
            b"\x00" * 4 * 180_001,
            preprocessing={"class": "TableEncoder", "state": state | {"columns": [column]}},
            layers=[embedding],
        ),
    )
    yield (
        "a large net",
        built(tensors(["0.W"], 1000, 10_000), b"\x01" * 40_000_000, layers=[dense(1000, 10_000)]),
    )
    yield (
        "many replicas",
        built(
            tensors(["0.W"], 1000, 100, 100), b"\x01" * 40_000_000, layers=[dense(100, 100)], replicas=1000
        ),
    )
    yield (
        "a large net that is not",
        built(tensors(["0.W"], 10**7), b"\x01" * 40_000_000, layers=[dense(1000, 10_000)]),
    )


# Loading under observation.

#: What Python reports (PEP 578) and a load may do besides opening its file.
HARMLESS = {"builtins.id", "object.__getattr__", "object.__setattr__", "object.__delattr__"}


class Watch:
    """Sees what Python does while it is on, and remembers what a load has no business to do."""

    def __init__(self):
        self.path = ""
        self.on = False
        self.seen = []
        sys.addaudithook(self.hook)

    def hook(self, event, args):
        allowed = event in HARMLESS or (
            event == "open" and str(args[0]) == self.path and args[1] in ("rb", "r")
        )
        if self.on and not allowed:
            self.seen.append(f"{event} {args!r}"[:200])

    @contextlib.contextmanager
    def on_load_of(self, path):
        self.path, self.on = str(path), True
        try:
            yield
        finally:
            self.on = False

    def taken(self):
        """Return what was seen since the last call."""
        seen, self.seen = self.seen, []
        return seen


def check_the_watch(watch, folder):
    """Raise unless the watch sees the things that it is there for."""
    for deed in (
        lambda: compile("1", "code", "eval"),
        lambda: importlib.import_module("antigravity"),
        lambda: (folder / "other").write_bytes(b""),
        lambda: (folder / "net").open("r+b").close(),
        lambda: os.system("true"),
        lambda: (folder / "other").unlink(),
    ):
        with mock.patch("webbrowser.open"), watch.on_load_of(folder / "net"):
            deed()
        if not watch.taken():
            raise RuntimeError("the watch is blind")


MEASURES_MEMORY = Path("/proc/self/clear_refs").exists()


def resident(which="VmRSS"):
    """Return the resident memory of this process in bytes; VmHWM for the most since `forget_most`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(which))


def forget_most():
    Path("/proc/self/clear_refs").write_text("5")


@contextlib.contextmanager
def measured(start, *, traced):
    """Yield a dict that holds, afterwards, the most memory that there was, beyond that at the start."""
    found = {}
    if traced:
        tracemalloc.start()
    if MEASURES_MEMORY:
        forget_most()
    try:
        yield found
    finally:
        if MEASURES_MEMORY:
            found["resident"] = resident("VmHWM") - start
        if traced:
            found["traced"] = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()


def too_slow(*_):
    raise SystemExit(f"a load took more than {SECONDS} s")


def load(path, watch):
    """Load a file, and return the model or None, a word for what happened, and what was wrong with it."""
    if hasattr(signal, "SIGALRM"):
        signal.alarm(SECONDS)
    try:
        with watch.on_load_of(path):
            model = nn.load(path)
    except ModelFileError as error:
        form = FORM.fullmatch(str(error)) and len(str(error)) < 1000
        outcome = re.sub(r"[\d'].*", "", error.expected)[:40]
        return None, outcome, None if form else f"a message of another form: {error}"[:1000]
    except Exception as error:
        return None, "wrong", f"{type(error).__name__}: {error}"[:1000]
    finally:
        if hasattr(signal, "SIGALRM"):
            signal.alarm(0)
    return model, "loaded", None


def works(model, folder):
    """Raise unless a model that was loaded predicts, and can be saved and loaded again."""
    shape = model.input_shape or (3,)
    if np.prod([float(size) for size in shape]) * (model.params.replicas or 1) < 1e6:
        if model.preprocessing is not None:
            model.takes_encoded = True  # the zeros below
        try:
            with np.errstate(all="ignore"):
                preds = [model.predict(X) for X in [np.zeros((4, *shape)), *tables(model.preprocessing)]]
        except NotFittedError:
            if all(layer.adapted for layer in model):
                raise
        else:
            for pred in preds:
                if pred.dtype != model.params.dtype or pred.shape[-2] != 4:
                    raise RuntimeError(f"predictions of {pred.dtype} and shape {pred.shape}")
    model.save(folder / "again")
    if describe(nn.load(folder / "again")) != describe(model):
        raise RuntimeError("another model after saving and loading")


def tables(encoder):
    """Yield a table of four rows with what the encoder may meet: the known, the new and the missing."""
    if encoder is not None:
        cells = {
            column.name: [0, 1, None, 1.5]
            if column.kind == "numeric"
            else [*column.categories[:1], *column.categories[-1:], "new", None, None, None][:4]
            for column in encoder.columns
        }
        yield cells


def describe(model):
    """Return all that makes a model, for comparison."""
    encoder = model.preprocessing
    buffers = [(name, array.tobytes()) for own in model.measured() for name, array in sorted(own.items())]
    return (
        repr(model),
        model.params.numbers.tobytes(),
        sorted(model.params.frozen),
        model.feature_names,
        encoder and encoder.to_dict(),
        buffers,
    )


def good_files(folder):
    """Return the bytes of good files: those of the test data, and one with a layer of every kind."""
    activations = [nn.ELU(0.5), nn.GELU(), nn.SiLU(), nn.Sigmoid(), nn.Softplus(), nn.Softmax()]
    activations += [nn.LogSoftmax(), nn.Step(), nn.ReLU(), nn.Dropout(0.5), nn.SELU(), nn.ReLU6()]
    activations += [nn.Clip(-2, 2), nn.HardSigmoid(), nn.HardSwish(), nn.PReLU(3), nn.PReLU(3, shared=True)]
    ends = [nn.Flatten((2, 2)), nn.Standardize(4), nn.Dense(4, 3)], [nn.Dense(3, 1)]
    everything = nn.Sequential([*ends[0], *activations, *ends[1]], rng=0)
    everything.adapt(np.arange(12.0).reshape(3, 2, 2))
    everything.save(folder / "everything")
    return [path.read_bytes() for path in [*sorted(DATA.glob("format_*.safetensors")), folder / "everything"]]


def warm_up(path, good):
    """Load and refuse once, which imports all that it takes; return what the good models are."""
    found = set()
    for content in good:
        path.write_bytes(content)
        model = nn.load(path)
        works(model, path.parent)
        found.add(repr(describe(model)))
    for content in (b"", good[0].replace(b"Dense", b"Dens?")):
        path.write_bytes(content)
        with contextlib.suppress(ModelFileError):
            nn.load(path)
    return found


def damaged_files(folder, count, seed, good):
    """Write one file after another; yield its path and the kind of damage."""
    source = random.Random(seed)
    path = folder / "net"
    for number in range(count):
        change = source.choice(BLIND if number % 3 == 0 else KNOWING)
        path.write_bytes(change(source, good))
        yield path, change.__name__


def main(count, seed):
    """Load so many damaged files, or the worst cases, judge, and print a report as JSON."""
    report = {"outcomes": collections.Counter(), "loaded": collections.Counter(), "wrong": [], "memory": {}}
    blind = {change.__name__ for change in BLIND}
    if hasattr(signal, "SIGALRM"):
        signal.signal(signal.SIGALRM, too_slow)
    os.fsync = lambda descriptor: None  # these files need not outlive a power cut
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        good = good_files(folder)
        originals = warm_up(folder / "net", good)
        if count == "worst":  # made in another process: it takes more memory than to load them
            subprocess.run([sys.executable, __file__, "write", name], check=True)
            files = ((path, path.name) for path in sorted(folder.glob("*, *")))
        else:
            files = damaged_files(folder, int(count), seed, good)
        watch = Watch()
        check_the_watch(watch, folder)
        start = resident() if MEASURES_MEMORY else 0
        for number, (path, kind) in enumerate(files):
            size = path.stat().st_size
            with measured(start, traced=count != "worst" and number % 50 == 0) as memory:
                model, outcome, problem = load(path, watch)
            if model is not None and count != "worst":
                try:
                    works(model, folder)
                except Exception as error:
                    problem = f"loaded, but {type(error).__name__}: {error}"[:1000]
                has_checksum = b'"crc32":"' in path.read_bytes()
                if kind in blind and has_checksum and repr(describe(model)) not in originals:
                    problem = "damaged, and loaded as another model"
            for way, taken in memory.items():
                key = f"{way}, {kind}"
                report["memory"][key] = max(report["memory"].get(key, -1e9), taken - 1.5 * size)
            report["outcomes"][outcome] += 1
            report["loaded"][kind] += outcome == "loaded"
            del model
            if count == "worst":
                gc.collect()  # so that each is measured on its own
            seen = watch.taken()
            if problem or seen:
                report["wrong"].append([number, kind, problem, seen[:5]])
    print(json.dumps(report))


if __name__ == "__main__":
    if sys.argv[1] == "write":
        for number, (name, content) in enumerate(worst_cases()):
            (Path(sys.argv[2]) / f"{number:02}, {name}").write_bytes(content)
    else:
        main(sys.argv[1], int(sys.argv[2]))
