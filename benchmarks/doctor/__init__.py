"""How well `nnlite.inspect.doctor` does on real faulty programs: ``python -m benchmarks.doctor``.

`programs` is a set of trainings that people asked about in public threads, because they did not learn; beside
each stand the thread, what was answered there, and the training as it was repaired by that answer. Only facts
are taken from the threads: layers, loss, optimizer, rate, epochs, scales and shapes. The programs are written
anew, on data that are at hand or generated in the shapes that are described.

There are two groups, whose shares are printed apart. The rules were made better on `programs`; those of
`untuned` were chosen, and given their causes, before the doctor was asked about any of them.

What is measured
----------------
*Skill* is the share of the way from always the same answer to always the right one, on rows that the program
has not seen: accuracy beyond the most frequent class, or R2, not below 0.

1. Each program is trained, and the doctor is asked, with the history if `fit` came to an end. Is one of the
   causes that people named among its errors and warnings, and first?
2. How many of all causes that people named it names (recall), and how many of its errors and warnings are
   among them (precision).
3. Advice is tried: `remedies` changes the program as the line says that the finding gives, and trains it
   anew. A finding is true if people named it, or if this alone raises the skill by `measures.BETTER`.
4. Advice is followed to the end: the first finding that can be followed, then the doctor is asked again, up
   to `measures.ROUNDS` times. The program is repaired if its skill comes to `measures.AS_GOOD` of that which
   the people's repair has.
5. Programs as people repaired them are examined after training: each error or warning is a false alarm.
"""
