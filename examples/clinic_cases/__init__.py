"""What `examples/clinic.py` shows to the doctor: set-ups that are broken on purpose, and healthy trainings."""
