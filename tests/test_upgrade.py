"""[upgrade]: an automatic rollback detects the failure, and finds the downloaded package."""

import pytest

from pkgrel.errors import ConfigError
from pkgrel.formats import deb, rpm
from pkgrel.package import Version
from tests.test_plan import text
from tests.test_validation import hello, make

__all__ = ["hello", "make"]

GOES_BACK = '[upgrade]\non-failure = "rollback"\n'
WAITS = 'on-upgrade = "wait"\n[service.ready]\ntcp = 4000\n'


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (GOES_BACK, 'sees no failure with `on-upgrade = "restart"`'),
        (f'on-upgrade = "none"\n{GOES_BACK}', 'sees no failure with `on-upgrade = "none"`'),
        (
            f'{WAITS}{GOES_BACK}[[unit]]\nname = "hello-rollback.service"\ncontent = "[Service]\\n"',
            "is what goes back",
        ),
        ("[upgrade]\nkeep = 21", "must be 0 to 20"),
    ],
)
def test_what_could_not_work_is_refused(make, settings: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make(settings)


def test_who_deploys_may_change_versions_and_the_service_may_not(make) -> None:
    package = make('deploy-user = "deploy"\nsudo-service = true\n' + WAITS + GOES_BACK)
    lines = text(package, "/etc/sudoers.d/hello").splitlines()
    assert [line for line in lines if "change-version" in line] == [
        "deploy ALL=(root) NOPASSWD: /usr/libexec/hello/change-version"
    ]


def test_a_downloaded_package_has_the_package_manager_s_name_for_it() -> None:
    version = Version(epoch=1, upstream="1.0.0~rc.1", revision="1~debian12")
    assert deb.downloaded("hello", version, "x86_64") == (
        "/var/cache/apt/archives/hello_1%3a1.0.0~rc.1-1~debian12_amd64.deb",
    )
    version = Version(epoch=1, upstream="1.0.0~rc.1", revision="1.el9")
    assert {path.rpartition("/")[2] for path in rpm.downloaded("hello", version, "aarch64")} == {
        "hello-1.0.0~rc.1-1.el9.aarch64.rpm"
    }
