"""Speech that others have recorded and written down, brought into a corpus."""
