defmodule Settled.MixProject do
  use Mix.Project

  @version System.get_env("HOT_VERSION", "1.0.0")
  @sources System.get_env("HOT_SOURCES", @version)

  def project do
    moved = if @sources == "1.2.0", do: [Path.expand("../moving", __DIR__)], else: []
    [app: :settled, version: @version, elixirc_paths: moved]
  end

  def application, do: []
end
