"""The micro-framework: what the article explains, file by file; it needs nothing of the rest but `errors`.

Read `parameters`, `context`, `layer`, `dense`, `activations`, `losses`, `chain`, `model`, `optimizers`,
`batches`, `loop`, `cross_entropy`, `schedules`, `dropout`, `normalization`, `residual` and
`wiring` in this order: the first eleven are the whole way from rows to a trained net. `starts`,
`initializers`, `copying`, `weights`, `sums`, `random`, `blocks`, `clipping`, `config`, `types` and `quiet`
are what they stand on.
"""
