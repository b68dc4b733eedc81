"""The micro-framework: what the article explains, file by file; it needs nothing of the rest but `errors`.

Read `parameters`, `context`, `layer`, `dense`, `activations`, `dropout`, `normalization`, `losses`,
`cross_entropy`, `chain`, `residual`, `wiring`, `model`, `schedules` and `optimizers` in this order; `starts`,
`initializers`, `weights`, `sums`, `random`, `blocks`, `clipping`, `config`, `types` and `quiet` are what they
stand on.
"""
