"""Brings a corpus, or a trained model, to the Hugging Face Hub: shards, a card, a tag, and a look at what arrived."""
