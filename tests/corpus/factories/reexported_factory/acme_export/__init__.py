# entry point: acme_export:register
# plugin: {"name": "exported"}
from .plugins import register

__all__ = ["register"]
