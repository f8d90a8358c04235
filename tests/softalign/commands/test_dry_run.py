from pathlib import Path

from tiny_project import write_project
from typer.testing import CliRunner

from softalign.app import app


def test_a_dry_run_accounts_for_the_first_units_and_writes_nothing(tmp_path: Path, tiny_teacher: Path):
    root = write_project(tmp_path, tiny_teacher, pairs=300)
    before = sorted(path.name for path in root.iterdir())
    done = CliRunner().invoke(app, ["prepare", "--project", str(root), "--dry-run", "100"])
    assert done.exit_code == 0, done.output
    lines = [line.split("\t") for line in done.output.splitlines()]
    counts = {line[1]: int(line[2].replace(",", "")) for line in lines if len(line) == 4 and line[2][0].isdigit()}
    assert counts.pop("read") == sum(counts.values()) == 100
    assert sorted(path.name for path in root.iterdir()) == before
