"""Choose where the next process of the product dies: once, whoever comes there first."""

from pathlib import Path


class Armed:
    """A file that names a fault point, and how many visits of it to let pass."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._visits = 0

    def arm(self, name: str, *, skip: int = 0) -> None:
        """Let the first process that comes to the point the (skip + 1)th time die there."""
        waiting = self.path.with_suffix(".new")
        waiting.write_text(f"{name} {skip}")
        waiting.rename(self.path)

    @property
    def has_struck(self) -> bool:
        """Say whether somebody died."""
        return not self.path.exists()

    def strikes(self, name: str) -> bool:
        """Say whether to die here; only one process ever gets True per arming."""
        try:
            fatal, skip = self.path.read_text().split()
        except FileNotFoundError:
            return False
        if fatal != name:
            return False
        self._visits += 1
        if self._visits <= int(skip):
            return False
        self._visits = 0
        try:
            self.path.unlink()
        except FileNotFoundError:
            return False
        return True
