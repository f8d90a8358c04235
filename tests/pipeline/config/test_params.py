from pathlib import Path

import pytest

from pipeline.config.params import check_params, load_params
from pipeline.config.train import Train
from pipeline.console.errors import InputError, ParamsError
from pipeline.training.objective import training_loss

MINIMAL = {
    "languages": ["en", "fr"],
    "pairs": ["en-fr"],
    "prepare": {"corpora": [{"name": "c", "format": "moses", "path": "c.{lang}"}]},
    "teacher": {"model": "m"},
}


def _with(path: str, value: object) -> dict:
    import copy

    raw = copy.deepcopy(MINIMAL)
    *parents, last = path.split(".")
    section = raw
    for parent in parents:
        section = section.setdefault(parent, {})
    section[last] = value
    return raw


def test_defaults():
    params = check_params(MINIMAL)
    assert params.train.temperature.teacher == 0.1
    assert params.teacher_languages == ["en"]
    assert params.used_languages == ["en", "fr"]


def test_the_repository_s_own_parameters_are_valid():
    params = load_params(Path(__file__).parents[3] / "params.yaml")
    assert [pair.name for pair in params.language_pairs] == ["en-fr", "en-ja", "en-ko", "en-ru"]


def test_average_labels_need_the_teacher_for_both_sides():
    assert check_params(_with("labels.strategy", "average")).teacher_languages == ["en", "fr"]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("train.tempo", 1, r"train.tempo: unknown key; allowed here: loss, temperature, batches"),
        ("train.temperature.teacher", 0, r"train.temperature.teacher: found 0; input should be greater than 0"),
        ("train.steps", "many", r"train.steps: found 'many'; input should be a valid integer"),
        ("train.steps", 1.5, r"train.steps: found 1.5"),
        ("train.schedule", "step", r"train.schedule: found 'step'; input should be 'linear', 'cosine' or 'constant'"),
        ("labels.strategy", "mean", r"labels.strategy: found 'mean'; input should be 'priority' or 'average'"),
        ("languages", ["en", "qqqq"], r"languages.1: found 'qqqq'; 'qqqq' is not a language code"),
        ("languages", ["en", "en"], r"names a language twice"),
        ("pairs", ["fr-en"], r"'fr-en' must be written en-fr"),
        ("pairs", ["en-de"], r"'en-de' is not two of the languages en, fr"),
        ("student.kind", "pretrained", r"student: 'model' is given if and only if kind is 'pretrained'"),
        ("seed", -1, r"seed: found -1; input should be greater than or equal to 0"),
    ],
)
def test_a_bad_value_names_its_key_what_was_found_and_what_is_allowed(key: str, value: object, message: str):
    with pytest.raises(ParamsError, match=message) as caught:
        check_params(_with(key, value))
    assert caught.value.exit_code == 2


def test_a_missing_key_is_named():
    with pytest.raises(ParamsError, match=r"params.yaml: teacher: missing"):
        check_params({key: value for key, value in MINIMAL.items() if key != "teacher"})


def test_every_problem_has_its_line():
    with pytest.raises(ParamsError) as caught:
        check_params({**MINIMAL, "train": {"steps": 0, "batchsize": 3}})
    assert len(str(caught.value).splitlines()) == 2


def test_numbers_as_people_write_them(tmp_path: Path):
    path = tmp_path / "params.yaml"
    path.write_text(
        "languages: [en, fr]\npairs: [en-fr]\nteacher: {model: m}\ntrain: {learning_rate: 1e-5}\n"
        "prepare: {corpora: [{name: c, format: moses, path: x}]}\n"
    )
    assert load_params(path).train.learning_rate == 1e-5


def test_files_that_can_t_be_read(tmp_path: Path):
    with pytest.raises(InputError, match=r"params.yaml: no such file"):
        load_params(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("a: [1\nb: 2\n")
    with pytest.raises(InputError, match=r"params.yaml:\d+: not valid YAML"):
        load_params(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("just text\n")
    with pytest.raises(ParamsError, match=r"found str, expected a mapping"):
        load_params(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"can't be read"):
        load_params(tmp_path / "params.yaml")


def test_a_folder_in_place_of_the_file_is_one_line(tmp_path: Path):
    with pytest.raises(InputError, match=r"can't be read"):
        load_params(tmp_path)


def test_a_terms_own_temperature_goes_before_the_common_one() -> None:
    common = {"teacher": 0.07, "student": 0.15}
    own = {"teacher": 0.05, "student": 0.04}
    train = Train.model_validate(
        {"loss": [{"name": "soft"}, {"name": "corpus", "temperature": own}], "temperature": common}
    )
    loss = training_loss(train, 4, 4, 0)
    assert loss.losses["soft"].objective.tau.model_dump() == common
    assert loss.losses["corpus"].target.tau.model_dump() == own
