"""The helpers that fetch configuration before the start: S3 and SSM by the AWS CLI, and cloud-init."""

import json
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import pytest

from pkgrel import plan, release
from pkgrel.config import load
from pkgrel.content import Inline
from pkgrel.distro import select
from pkgrel.package import File
from tests.aws import Aws, aws
from tests.conftest import skip_unless
from tests.environment_file import impossible, read_by_systemd

DATA = Path(__file__).parent / "data"
SHELLS = {"dash": ["dash"], "bash": ["bash", "--posix"]}

VALUES = {
    "ID": "-----BEGIN KEY-----\nMIIB\\\n\tend\n-----END KEY-----",
    "VERSION_ID": "  two words, \"double\" and 'single' ",
    "BUILD_ID": r"back\slash \" \\ \n $HOME ${HOME} $(id) `id` 100% %h" + "\\",
    "VARIANT_ID": "Grüße, 日本 😀; # no comment = a=b",
}

SETTINGS = f"""
[package]
maintainer = "Example Team <team@example.org>"
[helpers]
s3 = "s3://hello-config/prod and test"
cloud-init = true
[helpers.ssm]
{"".join(f'{name} = "/hello/{name}"{chr(10)}' for name in VALUES)}
"""


@pytest.fixture(scope="module")
def helpers(hello_release: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the helpers as they would be installed, of a package with all of them."""
    folder = tmp_path_factory.mktemp("helpers")
    (folder / "pkgrel.toml").write_text(SETTINGS)
    with release.read(hello_release("1.0.0")) as hello:
        [package] = plan.packages(
            hello, load(folder / "pkgrel.toml"), select(["debian12"]), plan.Options()
        )
    for entry in package.extra:
        if isinstance(entry, File) and entry.path.parent == PurePosixPath("/usr/libexec/hello"):
            assert isinstance(entry.content, Inline)
            (folder / entry.path.name).write_bytes(entry.content.data)
    return folder


@pytest.fixture(scope="module")
def server() -> Iterator[Aws]:
    with aws() as made:
        yield made


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(params=SHELLS)
def run(request: pytest.FixtureRequest, helpers: Path) -> Run:
    """Run a helper by the name that it is installed under, with this environment and no other."""
    skip_unless(shutil.which(request.param), f"{request.param} is missing")

    def _run(name: str, *arguments: str, env: dict[str, str]):
        program, *options = SHELLS[request.param]
        words = [str(shutil.which(program)), *options, str(helpers / name), *arguments]
        return subprocess.run(words, env=env, capture_output=True, text=True, umask=0o022)

    return _run


# The AWS CLI takes longer than all else, and what it says is the same to each shell.
one_shell = pytest.mark.parametrize("run", ["dash"], indirect=True)


def mode(path: Path) -> str:
    return oct(stat.S_IMODE(path.stat().st_mode))


# SSM


@pytest.fixture(scope="module")
def parameters(server: Aws) -> Aws:
    ssm = server.client("ssm")
    for name, value in VALUES.items():
        ssm.put_parameter(Name=f"/hello/{name}", Value=value, Type="SecureString")
    return server


def test_parameters_arrive_as_they_are(
    run: Run, parameters: Aws, helpers: Path, tmp_path: Path
) -> None:
    out = tmp_path / "parameters"
    done = run("fetch-parameters", str(out), env=parameters.environment(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert mode(out) == "0o600"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("param")] == [out.name]
    reason = impossible()
    skip_unless(not reason, reason)
    assert read_by_systemd(out.read_text()) == VALUES


def test_a_parameter_that_is_not_there_fails_the_start_and_is_named(
    run: Run, parameters: Aws, tmp_path: Path
) -> None:
    ssm = parameters.client("ssm")
    ssm.delete_parameter(Name="/hello/VERSION_ID")
    out = tmp_path / "parameters"
    out.write_text("OLD=1\n")
    try:
        done = run("fetch-parameters", str(out), env=parameters.environment(tmp_path))
    finally:
        ssm.put_parameter(Name="/hello/VERSION_ID", Value=VALUES["VERSION_ID"], Type="SecureString")
    assert done.returncode == 1
    assert "ParameterNotFound" in done.stderr
    assert done.stderr.endswith(
        "hello: could not fetch VERSION_ID from the SSM parameter /hello/VERSION_ID\n"
    )
    assert out.read_text() == "OLD=1\n"
    assert [path.name for path in tmp_path.iterdir() if "new" in path.name] == []


@one_shell
def test_the_last_parameters_serve_when_nobody_answers(
    run: Run, parameters: Aws, tmp_path: Path
) -> None:
    out, env = tmp_path / "parameters", parameters.environment(tmp_path)
    down = env | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    assert run("fetch-parameters", str(out), env=down).returncode == 1
    assert not out.exists()
    assert run("fetch-parameters", str(out), env=env).returncode == 0
    text = out.read_text()
    # A stop of the service takes its runtime directory away.
    out.unlink()
    done = run("fetch-parameters", str(out), env=down)
    assert (done.returncode, out.read_text(), mode(out)) == (0, text, "0o600")
    assert "from the SSM parameter /hello/ID; going on with those of 20" in done.stderr
    assert mode(tmp_path / ".parameters") == "0o600"


def test_what_systemd_would_drop_is_refused(run: Run, parameters: Aws, tmp_path: Path) -> None:
    ssm = parameters.client("ssm")
    ssm.put_parameter(Name="/hello/ID", Value="bell\a", Type="String", Overwrite=True)
    try:
        done = run("fetch-parameters", str(tmp_path / "p"), env=parameters.environment(tmp_path))
    finally:
        ssm.put_parameter(Name="/hello/ID", Value=VALUES["ID"], Type="SecureString", Overwrite=True)
    assert (done.returncode, done.stderr) == (
        1,
        "hello: the SSM parameter /hello/ID for ID has control characters\n",
    )
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize("helper", ["fetch-parameters", "sync-config"])
def test_without_the_cli_it_says_what_to_install(
    run: Run, parameters: Aws, tmp_path: Path, helper: str
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "dash", "bash", "rm", "mv", "mkdir"):
        (programs / name).symlink_to(str(shutil.which(name)))
    env = parameters.environment(tmp_path, PATH=str(programs), CONFIG_DIR=str(tmp_path / "config"))
    done = run(helper, *(("file",) if helper == "fetch-parameters" else ()), env=env)
    assert done.returncode == 1
    assert "there is no AWS CLI to fetch" in done.stderr
    assert done.stderr.endswith("install awscli\n")


# S3

OBJECTS = {
    "prod and test/config.toml": 'secret = "Grüße $HOME"\n',
    "prod and test/keys/a key.pem": "pem\n",
    "production/other": "not ours\n",
}


@pytest.fixture
def bucket(server: Aws) -> Iterator[Aws]:
    s3 = server.client("s3")
    s3.create_bucket(
        Bucket="hello-config", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    for key, text in OBJECTS.items():
        s3.put_object(Bucket="hello-config", Key=key, Body=text.encode())
    yield server
    for item in s3.list_objects_v2(Bucket="hello-config").get("Contents", []):
        s3.delete_object(Bucket="hello-config", Key=item["Key"])
    s3.delete_bucket(Bucket="hello-config")


def files(folder: Path) -> dict[str, str]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_text() for path in found}


@one_shell
def test_the_configuration_follows_the_bucket_and_survives_its_absence(
    run: Run, bucket: Aws, tmp_path: Path
) -> None:
    home, target = tmp_path / "home", tmp_path / "state/config"
    home.mkdir()
    target.parent.mkdir()
    env = bucket.environment(home, CONFIG_DIR=str(target))
    down = env | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}

    done = run("sync-config", env=down)
    assert done.returncode == 1
    assert done.stderr.endswith(
        "hello: s3://hello-config/prod and test could not be copied, and there is no earlier copy\n"
    )
    assert files(target.parent) == {}

    done = run("sync-config", env=env)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert files(target) == {
        "config.toml": OBJECTS["prod and test/config.toml"],
        "keys/a key.pem": "pem\n",
    }
    private = {path: mode(path) for path in [target, *target.rglob("*")]}
    assert set(private.values()) == {"0o700", "0o600"}
    assert all((path.is_dir()) == (found == "0o700") for path, found in private.items())

    s3 = bucket.client("s3")
    s3.delete_object(Bucket="hello-config", Key="prod and test/keys/a key.pem")
    s3.put_object(Bucket="hello-config", Key="prod and test/new", Body=b"new")
    assert run("sync-config", env=env).returncode == 0
    kept = {"config.toml": OBJECTS["prod and test/config.toml"], "new": "new"}
    assert files(target) == kept

    done = run("sync-config", env=down)
    assert done.returncode == 0
    assert f"could not be copied; going on with the copy in {target}" in done.stderr
    assert files(target.parent) == {f"config/{name}": text for name, text in kept.items()}

    # As mix_deploy's script calls the place.
    named = {"CONFIG_S3_BUCKET": "hello-config", "CONFIG_S3_PREFIX": "prod and test"}
    assert run("sync-config", env=env | named).returncode == 0
    done = run("sync-config", env=env | named | {"CONFIG_S3_PREFIX": "prdo"})
    assert "s3://hello-config/prdo is empty; going on" in done.stderr

    # A prefix with a typo in it is no reason to go without a configuration.
    done = run("sync-config", env=env | {"CONFIG_S3": "s3://hello-config/prdo"})
    assert (done.returncode, files(target)) == (0, kept)
    assert "s3://hello-config/prdo is empty; going on" in done.stderr


# cloud-init

MACHINES = {
    "aws": {
        "CLOUD_NAME": "aws",
        "INSTANCE_ID": "i-04fa31cfc55aa7976",
        "DEFAULT_HOSTNAME": "ip-10-41-41-95",
        "DEFAULT_IPV4": "10.41.41.95",
        "PUBLIC_IPV4": "34.240.11.12",
        "REGION": "eu-west-1",
        "AWS_REGION": "eu-west-1",
    },
    "digitalocean": {
        "CLOUD_NAME": "digitalocean",
        "INSTANCE_ID": "274031456",
        "DEFAULT_HOSTNAME": "debian-s-1vcpu-1gb-fra1-01",
        "DEFAULT_IPV4": "10.114.0.2",
        "PUBLIC_IPV4": "164.92.245.17",
        "REGION": "fra1",
    },
    # Without a private network its address there is the empty string.
    "hetzner": {
        "CLOUD_NAME": "hetzner",
        "INSTANCE_ID": "39284711",
        "DEFAULT_HOSTNAME": "debian-2gb-fsn1-1",
        "DEFAULT_IPV4": "167.235.18.204",
        "PUBLIC_IPV4": "167.235.18.204",
        "REGION": "eu-central",
    },
    # Recorded: cloud-init 22.4.2 of Debian 12 with a seed directory.
    "nocloud": {
        "CLOUD_NAME": "unknown",
        "INSTANCE_ID": "i-recorded",
        "DEFAULT_HOSTNAME": "app1",
    },
    # Its hostname is hostile.
    "none": {"CLOUD_NAME": "none", "INSTANCE_ID": "iid-datasource-none"},
}


def environment(data: Path, **more: str) -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "INSTANCE_DATA": str(data), **more}


def _need_jq() -> None:
    skip_unless(shutil.which("jq"), "jq is missing")


@pytest.mark.parametrize("cloud", MACHINES)
def test_what_cloud_init_knows(run: Run, tmp_path: Path, cloud: str) -> None:
    _need_jq()
    env = environment(DATA / f"instance-data.{cloud}.json")
    out = tmp_path / "machine"
    done = run("runtime-environment", str(out), env=env)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert mode(out) == "0o600"
    lines = out.read_text().splitlines()
    assert dict(line.split("=", 1) for line in lines) == MACHINES[cloud]

    done = run("runtime-environment", "--", "env", env=env)
    found = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert MACHINES[cloud].items() <= found.items()
    done = run("runtime-environment", "--", "sh", "-c", 'echo "$1"; exit 7', "-", "a  b", env=env)
    assert (done.returncode, done.stdout) == (7, "a  b\n")


def test_without_cloud_init_there_is_one_clear_message(run: Run, tmp_path: Path) -> None:
    _need_jq()
    data = tmp_path / "instance-data.json"
    for arguments in ((str(tmp_path / "out"),), ("--", "echo", "ran")):
        done = run("runtime-environment", *arguments, env=environment(data))
        assert (done.returncode, done.stdout, done.stderr) == (
            1,
            "",
            f"hello: {data} is missing: is this machine set up by cloud-init?\n",
        )
    data.write_text("{")
    for arguments in ((str(tmp_path / "out"),), ("--", "echo", "ran")):
        done = run("runtime-environment", *arguments, env=environment(data))
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.endswith(f"hello: {data} cannot be read\n")
    assert not (tmp_path / "out").exists()
    data.write_text(json.dumps({"v1": {"cloud-name": "aws", "region": "x"}}))  # cloud-init 18.2
    done = run("runtime-environment", "--", "sh", "-c", "echo $AWS_REGION", env=environment(data))
    assert done.stdout == "x\n"


def test_without_jq_it_says_what_to_install(run: Run, tmp_path: Path) -> None:
    done = run("runtime-environment", "out", env=environment(DATA, PATH=str(tmp_path)))
    assert done.returncode == 1
    assert done.stderr.endswith("install jq\n")


COOKIE = "a b$c\"d'e"
SHOW = ("sh", "-c", 'echo "$RELEASE_COOKIE"; cat "$HOME/.erlang.cookie"')


def test_the_cookie_moves_from_the_arguments_to_a_file_of_the_user(
    run: Run, tmp_path: Path
) -> None:
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "RELEASE_COOKIE": COOKIE}
    for _ in range(2):
        done = run("hide-cookie", *SHOW, env=env)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"-in_file\n{COOKIE}"
    done = run("hide-cookie", *SHOW, env=env | {"RELEASE_COOKIE": "another"})
    assert done.stdout == "-in_file\nanother"
    assert [path.name for path in tmp_path.iterdir()] == [".erlang.cookie"]
    assert mode(tmp_path / ".erlang.cookie") == "0o400"


def test_a_file_of_the_cookie_that_others_may_read_is_mended(run: Run, tmp_path: Path) -> None:
    # As a backup may have brought it back; the VM would not start.
    file = tmp_path / ".erlang.cookie"
    file.write_text(COOKIE + "\n")
    file.chmod(0o640)
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "RELEASE_COOKIE": COOKIE}
    assert run("hide-cookie", *SHOW, env=env).stdout == f"-in_file\n{COOKIE}\n"
    assert mode(file) == "0o400"


@pytest.mark.parametrize("cookie", ["Grüße", "a\tb", "end\n", "-in_file"])
def test_a_cookie_that_the_vm_would_not_take_from_a_file_stays(
    cookie: str, run: Run, tmp_path: Path
) -> None:
    for language in ("C.UTF-8", "C"):
        env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LANG": language}
        done = run(
            "hide-cookie",
            "sh",
            "-c",
            'printf %s "$RELEASE_COOKIE"',
            env=env | {"RELEASE_COOKIE": cookie},
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, cookie, "")
        assert list(tmp_path.iterdir()) == []


def test_without_a_home_to_write_to_the_cookie_stays_where_it_was(run: Run, tmp_path: Path) -> None:
    occupied = tmp_path / ".erlang.cookie"
    occupied.mkdir()
    for home in ({}, *({"HOME": str(at)} for at in (tmp_path / "none", tmp_path, "/proc"))):
        env = {"PATH": "/usr/bin:/bin", "RELEASE_COOKIE": COOKIE, **home}
        done = run("hide-cookie", "sh", "-c", 'echo "$RELEASE_COOKIE"', env=env)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{COOKIE}\n", "")
    assert list(tmp_path.rglob("*")) == [occupied]


def test_a_command_without_a_cookie_is_left_alone(run: Run, tmp_path: Path) -> None:
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = run("hide-cookie", "sh", "-c", "echo ${RELEASE_COOKIE-none}; exit 3", env=env)
    assert (done.returncode, done.stdout) == (3, "none\n")
    assert list(tmp_path.iterdir()) == []
