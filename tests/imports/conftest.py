"""The corpus that exports are tested with."""

from __future__ import annotations

from tests.export.conftest import corpus, shop

__all__ = ["corpus", "shop"]
