"""The micro-framework: what the article explains, file by file; it needs nothing of the rest but `errors`.

Read `parameters`, `context`, `layer`, `dense`, `activations`, `losses`, `chain`, `model`, `optimizers`,
`batches`, `loop`, `cross_entropy` and `wiring` in this order: the first eleven are the whole way from rows
to a trained net. `initializers`, `weights`, `sums`, `blocks`, `config`, `quiet` and `types` are what they
stand on. The others of each kind are in `nnlite.layers`, `losses`, `optimizers` and `schedules`.
"""
