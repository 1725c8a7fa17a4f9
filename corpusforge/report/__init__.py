"""The page of a corpus or of a training run: a folder that opens from the file system, without a network."""
