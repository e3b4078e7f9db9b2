"""The service behind the page and the APIs: a queue that loses nothing, its workers, the gallery, uploads, data sets.

Nothing here speaks HTTP, and importing it does not load torch.
"""

from inkbloom.apps.service.folders import DataFolder
from inkbloom.apps.service.service import Service

__all__ = ["DataFolder", "Service"]
