"""What `examples/clinic.py` shows the doctor: set-ups broken on purpose, and healthy trainings."""
