"""A gradient check for PyTorch: `gradcheck`, called as that of torch.autograd is."""

from __future__ import annotations

from gradaudit.torch.check import gradcheck

__all__ = ["gradcheck"]
