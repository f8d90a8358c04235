import huggingface_hub
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpus_reading import ask, read, sides

from pipeline.console.errors import InputError, UserError


@pytest.fixture
def dataset(tmp_path):
    for folder, first, second in (
        ("Books/en-fr", "one", "un"),
        ("Books/fr-en", "deux", "two"),
        ("Books/de-en", "drei", "three"),
    ):
        (tmp_path / folder).mkdir(parents=True)
        for split in ("train-00000-of-00001", "test"):
            table = pa.table({"sentence1": [f"{first}"], "sentence2": [f"{second}"]})
            pq.write_table(table, tmp_path / folder / f"{split}.parquet")
    (tmp_path / "README.md").write_text("x")
    return tmp_path


def test_a_folder_by_pairs(dataset):
    rows = read("huggingface", ask(dataset.parent, dataset.name, "en-fr"))
    assert sides(rows) == [("one", "un"), ("two", "deux")]
    assert rows[0]["file"] == f"{dataset.name}/Books/en-fr/train-00000-of-00001.parquet"


def test_a_name_on_the_hub_fetches_only_what_is_read(dataset, monkeypatch):
    fetched = []
    names = [path.relative_to(dataset).as_posix() for path in dataset.rglob("*") if path.is_file()]

    def download(repo, name, repo_type, revision):
        assert (repo, repo_type, revision) == ("wecover/OPUS", "dataset", "abc")
        fetched.append(name)
        return str(dataset / name)

    monkeypatch.setattr(huggingface_hub.HfApi, "list_repo_files", lambda *_args, **_more: names)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    rows = read("huggingface", ask(dataset, None, "en-fr", dataset="wecover/OPUS", revision="abc"))
    assert sides(rows) == [("one", "un"), ("two", "deux")]
    assert rows[0]["file"] == "wecover/OPUS@abc/Books/en-fr/train-00000-of-00001.parquet"
    assert sorted(fetched) == [f"Books/{pair}/train-00000-of-00001.parquet" for pair in ("en-fr", "fr-en")]


def test_what_cannot_be_fetched_is_named(tmp_path, monkeypatch):
    def fail(*_args, **_more):
        raise OSError("no network")

    monkeypatch.setattr(huggingface_hub.HfApi, "list_repo_files", fail)
    with pytest.raises(UserError, match=r"corpus c: the dataset a/b at revision main can't be fetched \(no network\)"):
        read("huggingface", ask(tmp_path, None, "en-fr", dataset="a/b"))
    with pytest.raises(InputError, match=r"no such folder"):
        read("huggingface", ask(tmp_path, "gone", "en-fr"))
