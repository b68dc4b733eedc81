"""Training: what `fit` was given, checked; its loops; what else happens in them; what comes out."""
