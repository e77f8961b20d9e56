defmodule Hot.MixProject do
  use Mix.Project

  @version System.get_env("HOT_VERSION", "1.0.0")
  @sources System.get_env("HOT_SOURCES", @version)

  def project do
    [
      app: :hot,
      version: @version,
      elixir: "~> 1.14",
      elixirc_paths: ["lib", "versions/#{@sources}" | if(@sources == "1.2.0", do: [], else: ["moving"])],
      deps: [{:unnumbered, path: "unnumbered"}, {:settled, path: "settled"}],
      start_permanent: Mix.env() == :prod,
      description: "A service whose versions differ in all that an upgrade can meet",
      releases: [
        hot: [
          include_executables_for: [:unix],
          runtime_config_path: "config/#{System.get_env("HOT_CONFIG", "runtime")}.exs",
          steps: [:assemble, :tar]
        ]
      ]
    ]
  end

  def application do
    applications = String.split(System.get_env("HOT_APPLICATIONS", "logger"))
    [mod: {Hot.Application, []}, extra_applications: [:crypto | Enum.map(applications, &String.to_atom/1)]]
  end
end
