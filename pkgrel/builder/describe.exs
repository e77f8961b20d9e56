# Says what mix.exs says: one `pkgrel KEY VALUE` a line. Run by `elixir` in the project's folder.
# Nothing is fetched, compiled or configured for that. Elixir 1.10 must understand it.

defmodule Describe do
  def say(key, value), do: IO.puts("pkgrel #{key} #{value}")

  def dependencies(config) do
    for dependency <- Keyword.get(config, :deps, []),
        options = options(dependency),
        not Keyword.get(options, :in_umbrella, false) do
      cond do
        path = options[:path] -> local(elem(dependency, 0), path, options[:only])
        options[:git] || options[:github] -> say("fetched", "git")
        true -> say("fetched", "hex")
      end
    end
  end

  # Its own dependencies are to be fetched as well.
  defp local(app, path, only) do
    cond do
      Mix.env() not in List.wrap(only || Mix.env()) -> :ok
      not File.dir?(path) -> say("missing", path)
      File.regular?(Path.join(path, "mix.exs")) -> in_project(app, path)
      rebar_dependencies?(Path.join(path, "rebar.config")) -> say("fetched", "hex")
      true -> :ok
    end
  end

  defp in_project(app, path),
    do: Mix.Project.in_project(app, path, &dependencies(&1.project()))

  defp rebar_dependencies?(file) do
    case :file.consult(String.to_charlist(file)) do
      {:ok, terms} -> is_list(terms[:deps]) and terms[:deps] != []
      _ -> false
    end
  end

  def assets(config, folder, here) do
    if Keyword.has_key?(Keyword.get(config, :aliases, []), :"assets.deploy") do
      say("assets", folder)
      if File.exists?(Path.join(here, "assets/package-lock.json")), do: say("npm", folder)
    end
  end

  def releases(config) do
    for {name, _} <- Keyword.get(config, :releases, []), do: say("release", name)
    if config[:default_release], do: say("default", config[:default_release])
  end

  defp options({_, options}) when is_list(options), do: options
  defp options({_, _, options}), do: options
  defp options(_), do: []
end

Mix.start()
Code.compile_file("mix.exs")
config = Mix.Project.config()

Describe.say("running", System.version())
Describe.say("otp", :erlang.system_info(:otp_release))

if requirement = config[:elixir] do
  unless Version.match?(System.version(), requirement), do: Describe.say("wants", requirement)
end

if config[:app] && !config[:apps_path], do: Describe.say("app", config[:app])
if File.exists?("_build/.pkgrel-complete"), do: Describe.say("complete", "yes")
Describe.releases(config)
Describe.assets(config, ".", ".")
Describe.dependencies(config)

for {app, path} <- Enum.sort(Mix.Project.apps_paths() || %{}) do
  Mix.Project.in_project(app, path, fn module ->
    child = module.project()
    Describe.assets(child, path, File.cwd!())
    Describe.dependencies(child)
  end)
end
