"""What nnlite promises, measured: its speed against other libraries, and everything else.

``python -m benchmarks`` measures how long nnlite, NumPy alone and other libraries take for
the same work, side by side; ``--help`` says what can be chosen. ``python -m
benchmarks.promises`` measures what does not need other libraries.

How it measures
---------------
Every contender works in a process of its own (`worker`) that is held to a number of threads
and of cores (`environment`). They take turns, A B C A B C ... (`rounds`), while all others
sleep, and every turn starts from the same state. A turn repeats the work for about a fixed
time, after some repetitions that do not count. So what disturbs the machine for a while
disturbs all of them, and ratios are taken round by round (`stats`). Before that, all must
compute the same numbers as a reference in float64; who does not is named and not timed.

How to add a workload
---------------------
1. Write the work of each library as a `benchmarks.job.Job`, in the module of the library
   in `benchmarks/libraries/`, which has functions that build its nets. The constructor
   prepares, `reset` goes back to the start, ``run(count)`` does the work that often and
   returns when it is done, and ``check()`` returns numbers that must agree. For steps on
   one of the nets of `benchmarks.nets`, subclass `Training`; for predictions, `Prediction`.
2. Write a module in `benchmarks/workloads/` that makes a `benchmarks.workload.Workload`:
   its name, its cases, and its contenders, each a `benchmarks.results.Contender` with the
   place of its job. The parent never imports a library; the worker does. For something else
   than turns in living processes (whole processes, memory, a seed a round, for which there
   is `Session.collect`), subclass `Workload` and override `run`, which yields one
   `benchmarks.results.Result` after another; for other tables or charts, override `tables`,
   `overview` or `draw`.
3. Put it into the tuple in `benchmarks/workloads/__init__.py`.
4. If something is promised about it, add rows to `benchmarks.targets.TARGETS`.

A further library is a line in `benchmarks.peers.LIBRARIES`, a module of jobs, and a
contender in each workload.
"""
