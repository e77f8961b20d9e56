# script/release fills in version, hash and owner.
# https://docs.brew.sh/Formula-Cookbook
class Pkgrel < Formula
  desc "Native .deb and .rpm packages, and their repositories, from Erlang releases"
  homepage "https://github.com/OWNER/pkgrel"
  url "https://github.com/OWNER/pkgrel/releases/download/v@VERSION@/pkgrel-@VERSION@.tar.gz"
  sha256 "@SHA256@"
  license "Apache-2.0"

  depends_on "python@3.13"

  def install
    # The sdist names every file that it needs by its hash.
    ENV["PYTHON"] = Formula["python@3.13"].opt_bin/"python3.13"
    system "script/install", libexec
    bin.install_symlink libexec/"bin/pkgrel"
    generate_completions_from_executable(bin/"pkgrel", "completion")
    system bin/"pkgrel", "man", "--output", "man"
    man1.install Dir["man/man1/*.1"]
    man5.install Dir["man/man5/*.5"]
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/pkgrel --version")
    assert_match "debian12", shell_output("#{bin}/pkgrel distros")
  end
end
