"""Trainings on several ranks, in real jobs of mpiexec."""
