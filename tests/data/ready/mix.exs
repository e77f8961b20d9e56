defmodule Ready.MixProject do
  use Mix.Project

  def project do
    [
      app: :ready,
      version: System.get_env("READY_VERSION", "1.0.0"),
      deps: [{:systemd, path: "systemd"}],
      releases: [ready: [include_executables_for: [:unix], steps: [:assemble, :tar]]]
    ]
  end

  def application, do: [mod: {Ready, []}, extra_applications: [:logger]]
end
