"""XOR, which no net without a hidden layer can learn, with the training loop written out."""

import nnlite as nn

X, y = nn.datasets.xor()
y = y[:, None]  # one output neuron, so one column of targets

model = nn.Sequential([nn.Dense(2, 8), nn.Tanh(), nn.Dense(8, 1)], rng=0)
loss = nn.MeanSquaredError()
optimizer = nn.SGD(learning_rate=0.1)

print(model.summary(), "\n")
for step in range(1, 1001):
    value = model.loss_and_grad(X, y, loss)  # forward, then the blame backward into model.params.grads
    optimizer.step(model.params)  # a small step downhill
    if step in (1, 10, 100, 1000):
        print(f"step {step:4}: loss {value:.5f}")

print("\nx1  x2  target  net says")
for (x1, x2), target, output in zip(X, y[:, 0], model.predict(X)[:, 0], strict=True):
    print(f"{x1:2.0f}  {x2:2.0f}  {target:6}  {output:8.3f}")
