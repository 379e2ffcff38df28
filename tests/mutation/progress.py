"""The verdicts of a sample, stored in a file, so that an interrupted run continues."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

UNDETECTED = {"survived", "not executed"}


@dataclass
class Verdict:
    """The result of a fault: the test that detected it, if any, and the number of tests that ran."""

    number: int
    verdict: str
    test: str = ""
    tests: int = 0


class Progress:
    """The verdicts of a sample. Undetected faults are tried again when the tests have changed."""

    def __init__(self, file: Path, commit: str) -> None:
        self.file, self.commit = file, commit
        self.verdicts: dict[int, Verdict] = {}
        self._commits: dict[int, str] = {}
        for line in file.read_text().splitlines() if file.exists() else []:
            row = json.loads(line)
            self._commits[row["number"]] = row.pop("commit")
            self.verdicts[row["number"]] = Verdict(**row)

    def is_final(self, number: int) -> bool:
        """Return whether the fault need not be tried any more."""
        verdict = self.verdicts.get(number)
        return verdict is not None and (verdict.verdict not in UNDETECTED or self._commits[number] == self.commit)

    def add(self, verdict: Verdict) -> None:
        """Store a verdict."""
        self.verdicts[verdict.number], self._commits[verdict.number] = verdict, self.commit
        with self.file.open("a") as stream:
            stream.write(json.dumps({**asdict(verdict), "commit": self.commit}) + "\n")
