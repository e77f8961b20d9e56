"""Whether a VM is wholly the version that is installed: all of its code, and what a VM that has just started would have.

Source: code(3), beam_lib(3), supervisor(3).
"""

from dataclasses import dataclass

from tests.acceptance.hosts import Host

# Not in /tmp, of which the service has one of its own.
PROGRAM = "/opt/running-code.exs"

TEXT = """
root = System.get_env("RELEASE_ROOT")
[_, version] = String.split(File.read!(root <> "/releases/start_erl.data"))
{:ok, [{:release, _, _, rel}]} = :file.consult("#{root}/releases/#{version}/NAME.rel")
libs = for app <- rel, do: "#{root}/lib/#{elem(app, 0)}-#{elem(app, 1)}/ebin"
beams = fn folder -> Map.new(Path.wildcard(folder <> "/*.beam"), &{String.to_atom(Path.basename(&1, ".beam")), &1}) end
# Protocols come before the modules that they were put together from.
files = Enum.reduce(libs ++ ["#{root}/releases/#{version}/consolidated"], %{}, &Map.merge(&2, beams.(&1)))
say = fn kind, what -> IO.puts("#{kind} #{inspect(what, limit: :infinity, width: :infinity)}") end

for {module, file} <- Enum.sort(files) do
  {:ok, {_, sum}} = :beam_lib.md5(String.to_charlist(file))
  cond do
    :code.is_loaded(module) == false -> say.(:wrong, {module, :is_not_loaded})
    module.module_info(:md5) != sum -> say.(:wrong, {module, :is_of, :code.which(module)})
    true -> :ok
  end
end

for {module, file} <- Enum.sort(:code.all_loaded()), is_list(file), not Map.has_key?(files, module),
    do: say.(:wrong, {module, :is_still_there})

walk = fn walk, pid, path ->
  for {id, child, type, modules} <- Supervisor.which_children(pid), id != :undefined do
    say.(:state, {path, id, is_pid(child), type, modules})
    if type == :supervisor and is_pid(child), do: walk.(walk, child, path ++ [id])
  end
end

for {app, _, version} <- Application.started_applications() do
  say.(:state, {app, version, Enum.sort(Application.get_all_env(app))})
  with master when is_pid(master) and app != :kernel <- :application_controller.get_master(app),
       {top, _} when is_pid(top) <- :application_master.get_child(master),
       do: walk.(walk, top, [app])
end

say.(:state, Map.take(:logger.get_primary_config(), [:level]))
"""


@dataclass(frozen=True)
class RunningCode:
    """What was seen."""

    wrong: list[str]
    """Modules that are not those of the installed version."""
    state: list[str]
    """Applications, their environment, and the children of all supervisors."""


def running_code(host: Host, name: str) -> RunningCode:
    """Look at the VM of that service."""
    host.write(PROGRAM, TEXT.replace("NAME", name))
    lines = host.run(f"{name} rpc 'Code.eval_file(\"{PROGRAM}\")'").splitlines()
    assert any(line.startswith("state ") for line in lines), lines
    return RunningCode(
        wrong=[line for line in lines if line.startswith("wrong ")],
        state=sorted(line for line in lines if line.startswith("state ")),
    )
