"""Which update numbers have been seen, when they may arrive in any order."""


class Seen:
    """Everything up to `upto`, and some ranges beyond it."""

    def __init__(self, upto: int = 0) -> None:
        self.upto = upto
        self._beyond: list[tuple[int, int]] = []

    def add(self, first: int, last: int) -> bool:
        """Note the numbers first … last; say whether any of them was news."""
        if last <= self.upto or any(low <= first and last <= high for low, high in self._beyond):
            return False
        self._beyond.append((first, last))
        self._beyond.sort()
        while self._beyond and self._beyond[0][0] <= self.upto + 1:
            self.upto = max(self.upto, self._beyond.pop(0)[1])
        return True

    @property
    def has_hole(self) -> bool:
        """Say whether a number is missing before one that was seen."""
        return bool(self._beyond)
