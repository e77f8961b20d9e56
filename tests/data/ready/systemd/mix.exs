defmodule Systemd.MixProject do
  use Mix.Project

  def project, do: [app: :systemd, version: "0.6.0"]
  def application, do: []
end
