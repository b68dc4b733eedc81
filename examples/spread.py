"""A sweep over the workers of dask: two on this machine, or those of a cluster by `--scheduler ADDRESS`."""

import argparse

import dask
import numpy as np
from distributed import Client, LocalCluster

import nnlite as nn


def sweep():
    X, y = nn.datasets.digits()
    model = nn.Sequential([nn.Dense(X.shape[1], 64), nn.ReLU(), nn.Dense(64, 10)])
    return nn.sweep(
        model,
        X[:1200],
        y[:1200],
        learning_rate=np.geomspace(1e-4, 0.3, 8),
        seeds=2,
        optimizer=nn.Adam(),
        epochs=10,
        validation=(X[1200:], y[1200:]),
        metrics=[nn.accuracy],
        backend="dask",  # "loky" needs no client, and "ray" none either
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scheduler", help="address of a dask scheduler, such as tcp://10.0.0.1:8786")
    address = parser.parse_args().scheduler
    # Keep freed memory: dask tells glibc to give it back at once, which makes training three times as slow.
    for name in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"):
        dask.config.set({f"distributed.nanny.pre-spawn-environ.{name}": 2**28})
    # One thread each: a worker trains one pack of nets at a time.
    local = None if address else LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0")
    with Client(address or local) as client:
        print(f"workers: {len(client.scheduler_info()['workers'])}")
        result = sweep()
    if local is not None:
        local.close()
    print(result)
    best = result.rows[result.best_index]
    print(f"\nbest rate {result.best_rate:.2g}, validation accuracy {best['validation_accuracy']:.1%}")


if __name__ == "__main__":  # the workers import this file, and must not start workers of their own
    main()
