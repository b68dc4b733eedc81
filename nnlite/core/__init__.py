"""The micro-framework: what the article explains, file by file; it needs nothing of the rest but `errors`.

Read `parameters`, `context`, `layer`, `dense`, `activations`, `losses`, `chain`, `model`, `optimizers`,
`batches`, `loop`, `cross_entropy` and `wiring` in this order. The first eleven are the way from rows to a
trained net; how the `W` of a layer becomes a view of the flat array is in `wiring`. `initializers`,
`weights`, `sums`, `blocks`, `config`, `quiet` and `aliases` are what they stand on. Read past `answering`,
`explained`, `Explained` and `Declared`, which only make better messages, and at first past `replicas`, which
are many nets as one.

The others of each kind are in `nnlite.layers`, `losses`, `optimizers` and `schedules`.
"""
