"""The trainer: models, losses, metrics and the paper's evaluation. It knows a corpus only through its folder."""
