"""Limits on what is read from untrusted files.

Each number is far above what real files need, and low enough that a laptop survives an attack.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Upper bounds, in bytes unless stated otherwise."""

    entries: int = 100_000
    """Files, directories and links, including implied directories."""
    unpacked: int = 64 << 30
    """The decompressed size of a tarball."""
    ratio: int = 200
    """Compression ratio; a release has 2 to 5, a bomb has 1000."""
    unpacked_anyway: int = 64 << 20
    """Up to this size any ratio is allowed."""
    xz_memory: int = 80 << 20
    """Memory of the xz decoder: enough for `xz -9`, whose dictionary is 64 MiB."""
    path: int = 1024
    """A quarter of PATH_MAX: 100,000 names must fit into memory."""
    name: int = 255
    """NAME_MAX of every file system that matters."""
    extended_header: int = 1 << 20
    """All pax records of one member, or one GNU long name."""
    time: int = (1 << 32) - 1
    """Seconds since the epoch: the range of RPM's FILEMTIMES."""
    text: int = 1 << 20
    """A file that is read as a whole: `vm.args`, a script."""
    terms: int = 64 << 10
    """A `.rel` or `start_erl.data`; 300 applications need 20 kB, and each byte may become an object."""
    script: int = 256 << 10
    """A script that is tokenised, such as runtime.exs; this needs up to 150 times its size in memory."""
    variables: int = 500
    """Environment variables of a release."""
    targets: int = 4 << 20
    """Targets of all symlinks together; each part of one is looked up."""
    elf_entries: int = 1 << 12
    """Entries of a dynamic section, and names in it, symbol versions included; libc has some 40."""
    elf_strings: int = 16 << 20
    """A string table; that of a large C++ library has some MiB."""
    elf_names: int = 64 << 10
    """Characters of all names that one file needs, and of its RUNPATH."""
    elf_directories: int = 256
    """Directories of one RUNPATH."""
    elf_segments: int = 1 << 10
    """Program headers; linkers write about ten."""
    elf_interpreter: int = 1 << 12
    """PATH_MAX."""
    elf_total: int = 16 << 20
    """Memory for the names of all ELF files of a release together."""
    path_max: int = 1 << 13
    """A GNU long name in a .deb: twice PATH_MAX."""
    deb_control: int = 16 << 20
    """All files of a .deb's control archive: md5sums of 150,000 files with long names."""
    deb_sums: int = 120_000
    """Lines of md5sums: a mapping of them needs 300 bytes each."""
    deb_conffiles: int = 20_000
    """Lines of conffiles; /etc of a whole host has some 3,000."""
    rpm_header: int = 32 << 20
    """Data of one header of an .rpm; rpm allows 256 MiB, 100,000 files need 20."""
    rpm_tags: int = 512
    """Tags of one header; rpm has some 300 in all and allows 65,535."""
    package_entries: int = 120_000
    """Files, directories and links of a package, and values of one tag of an .rpm; texlive's
    largest has some 20,000."""
    package_paths: int = 20 << 20
    """Characters of all their names and targets; a folder in a name counts for eight."""
    package_script: int = 1 << 20
    """The size of one scriptlet."""
    package_changelog: int = 250_000
    """Lines of a changelog; the kernel's has some 60,000."""
    package_xz_memory: int = 80 << 20
    """Memory of the xz and lzma decoders for a package: enough for `xz -9`."""
    package_zstd_window: int = 27
    """Binary logarithm of zstd's window: 128 MiB, as for `zstd --ultra -22`, and libzstd's default limit."""
    index: int = 32 << 20
    """A compressed index of a foreign repository."""
    index_unpacked: int = 64 << 20
    """The same decompressed: 40,000 packages."""
    index_packages: int = 100_000
    """Packages of one foreign repository; Debian's main has 65,000."""
    index_paragraph: int = 1 << 20
    """Of Packages."""
    index_xml_depth: int = 32
    """Depth of nested XML elements; primary.xml has five."""
    index_xml_elements: int = 50_000
    """XML start and end tags, of one package or of a whole repomd.xml."""
    index_xz_memory: int = 80 << 20
    """Memory of the xz decoder for an index: enough for `xz -9`."""


LIMITS = Limits()
