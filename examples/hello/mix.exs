defmodule Hello.MixProject do
  use Mix.Project

  def project do
    [
      app: :hello,
      # A CI job numbers its builds without editing this file. Mix keeps the version that it
      # compiled first, so give every version a MIX_BUILD_PATH of its own.
      version: System.get_env("HELLO_VERSION", "1.0.0"),
      elixir: "~> 1.14",
      start_permanent: Mix.env() == :prod,
      description: "Small HTTP service that says hello",
      releases: [hello: release()]
    ]
  end

  def application do
    [mod: {Hello.Application, []}, extra_applications: [:logger, :crypto]]
  end

  defp release do
    [
      include_executables_for: [:unix],
      # Boots twice: once to read runtime.exs, once with the result written to RELEASE_TMP.
      reboot_system_after_config: System.get_env("HELLO_REBOOT_AFTER_CONFIG") == "true",
      steps: [:assemble, :tar]
    ]
  end
end
