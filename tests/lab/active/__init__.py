"""Cases of the active side: what `heartline diagnose` says."""
