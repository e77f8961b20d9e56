defmodule MixPkgrel.MixProject do
  use Mix.Project

  def project do
    [
      app: :mix_pkgrel,
      version: "0.1.0",
      elixir: "~> 1.9",
      description: "mix tasks that call pkgrel: releases as .deb and .rpm packages",
      package: [licenses: ["Apache-2.0"], links: %{}, files: ~w(lib mix.exs README.md)],
      deps: []
    ]
  end

  def application, do: [extra_applications: []]
end
