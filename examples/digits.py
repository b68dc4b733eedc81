"""Handwritten digits: train until validation gets no better, save the net, load it, and look at a digit."""

import tempfile
from pathlib import Path

import nnlite as nn

X, y = nn.datasets.digits()
X /= 16  # pixels from 0 to 16 become numbers from 0 to 1
X, X_test, y, y_test = nn.train_test_split(X, y, stratify=True, rng=0)

layers = [nn.Dense(64, 128), nn.ReLU(), nn.Dropout(0.3), nn.Dense(128, 10)]
model = nn.Sequential(layers, rng=0)
history = model.fit(
    X,
    y,
    loss=nn.SoftmaxCrossEntropy(),
    optimizer=nn.Adam(0.005),
    epochs=100,
    validation=0.2,
    metrics=[nn.accuracy],
    callbacks=[nn.EarlyStopping(patience=8)],
)
for row in history.rows[::5]:
    print(f"epoch {row['epoch']:2}: loss {row['loss']:.3f}, validation {row['validation_accuracy']:.1%}")
print(f"{history.stop_reason}; the weights are those of epoch {history.best_epoch}\n")

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "digits.safetensors"
    model.save(path)
    model = nn.load(path)
print(f"test accuracy of the loaded net: {nn.accuracy(model.predict(X_test), y_test):.1%}\n")

image, digit = X_test[0], y_test[0]
for line in image.reshape(8, 8):
    print("".join(" .:+#"[round(4 * float(ink))] * 2 for ink in line))
chances = nn.Softmax().forward(model.predict(image[None]))[0]
print(f"This is a {digit}; the net says {chances.argmax()} and is {chances.max():.2%} sure.")
