"""Pushing, with a fake in the place of the hub's client."""

from pathlib import Path
from types import SimpleNamespace

import httpx2
import pytest
from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError, OfflineModeIsEnabled

from pipeline.console.errors import UserError
from pipeline.exporting.hub import check_login, push


class FakeHub:
    """Notes what it is asked, and answers with an error where it is given one."""

    def __init__(self, error: Exception | None = None, private: bool = True) -> None:
        self.error, self.private, self.asked = error, private, []

    def _note(self, name, **options):
        self.asked.append((name, options))
        if self.error is not None:
            raise self.error

    def whoami(self):
        self._note("whoami")

    def create_repo(self, repo_id, **options):
        self._note("create_repo", repo_id=repo_id, **options)
        return SimpleNamespace(repo_id=f"me/{repo_id.rpartition('/')[2]}")

    def model_info(self, repo_id):
        return SimpleNamespace(private=self.private)

    def upload_folder(self, **options):
        self._note("upload_folder", **options)


def _answer(status: int) -> HfHubHTTPError:
    response = httpx2.Response(status, request=httpx2.Request("POST", "https://hub.invalid/api"))
    return HfHubHTTPError(f"{status} from the hub\nhf_secrettoken", response=response)


def test_private_by_default_and_only_the_exports_files(tmp_path: Path):
    hub = FakeHub()
    assert check_login("student", hub) is hub
    push(hub, "student", tmp_path, ["README.md", "model.safetensors"], public=False)
    assert [name for name, _ in hub.asked] == ["whoami", "create_repo", "upload_folder"]
    assert hub.asked[1][1] == {"repo_id": "student", "private": True, "exist_ok": True}
    assert hub.asked[2][1]["repo_id"] == "me/student"
    assert hub.asked[2][1]["allow_patterns"] == ["README.md", "model.safetensors"]
    assert not any("token" in options for _, options in hub.asked)


def test_public_if_asked(tmp_path: Path):
    hub = FakeHub(private=False)
    push(hub, "me/student", tmp_path, [], public=True)
    assert hub.asked[0][1]["private"] is False


def test_a_public_repository_is_not_pushed_to_unasked(tmp_path: Path):
    hub = FakeHub(private=False)
    with pytest.raises(UserError, match="me/student is there and is public; give --public"):
        push(hub, "me/student", tmp_path, [], public=False)
    assert [name for name, _ in hub.asked] == ["create_repo"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (LocalTokenNotFoundError("Token is required"), "not logged in to the hub; run `hf auth login` first"),
        (_answer(401), "does not know this login"),
        (_answer(403), "may not write there"),
        (_answer(500), r"the hub refused \(500 from the hub\)"),
        (httpx2.ConnectError("no route to host"), r"can't be reached \(no route to host\)"),
        (httpx2.ReadTimeout(""), r"can't be reached \(ReadTimeout\)"),
        (OfflineModeIsEnabled("offline mode"), "can't be reached"),
        (ConnectionError("network is down"), r"can't be reached \(network is down\)"),
    ],
)
@pytest.mark.parametrize("step", [check_login, push])
def test_errors_are_one_line(error: Exception, said: str, step, tmp_path: Path):
    with pytest.raises(UserError, match=said) as raised:
        if step is push:
            push(FakeHub(error), "me/student", tmp_path, [], public=False)
        else:
            check_login("me/student", FakeHub(error))
    assert "\n" not in str(raised.value)
    assert "hf_secrettoken" not in str(raised.value)


def test_a_name_that_can_be_none():
    with pytest.raises(UserError, match="no name of a repository"):
        check_login("a/b/c", FakeHub())


def test_nobody_is_logged_in(monkeypatch: pytest.MonkeyPatch):
    from huggingface_hub import HfApi

    monkeypatch.setattr("huggingface_hub.utils._headers.get_token", lambda *args, **options: None)
    with pytest.raises(UserError, match="not logged in"):
        check_login("me/student", HfApi())
