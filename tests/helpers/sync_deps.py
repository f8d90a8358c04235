"""Write each stage's import closure into dvc.yaml: run after adding or removing an import."""

from imports import ROOT, import_closure
from ruamel.yaml import YAML


def main() -> None:
    yaml = YAML()
    yaml.width, yaml.preserve_quotes = 120, True
    yaml.indent(mapping=2, sequence=4, offset=2)
    path = ROOT / "dvc.yaml"
    document = yaml.load(path.read_text(encoding="utf-8"))
    for name, stage in document["stages"].items():
        closure = import_closure(f"stages.{name}")
        templates = ["pipeline/reporting/templates"] if any("pipeline/reporting" in file for file in closure) else []
        # Data, and whatever else a person listed (the lock file: other versions of packages give other text and vectors).
        data = [dep for dep in stage["deps"] if not dep.startswith(("pipeline/", "stages/"))]
        stage["deps"] = [*data, *closure, *templates]
    with path.open("w", encoding="utf-8") as opened:
        yaml.dump(document, opened)


if __name__ == "__main__":
    main()
