defmodule Unnumbered.MixProject do
  use Mix.Project

  def project, do: [app: :unnumbered, version: "0.1.0"]
  def application, do: []
end
