defmodule Mix.Tasks.Pkgrel do
  @shortdoc "Runs pkgrel: releases as .deb and .rpm packages"
  @moduledoc """
  Runs pkgrel with the arguments as they are.

      mix pkgrel inspect _build/prod/hello-1.0.0.tar.gz
      mix pkgrel check dist/*
      mix pkgrel publish dist/* --to s3://packages.example.com

  The environment variable PKGREL names the program, if it is not in PATH.
  """
  use Mix.Task

  @impl true
  def run(arguments), do: Mix.Pkgrel.run(arguments)
end

defmodule Mix.Tasks.Pkgrel.Init do
  @shortdoc "Writes a commented pkgrel.toml for this project"
  @moduledoc """
  Writes a commented pkgrel.toml for this project: `pkgrel init`, with its options.

      mix pkgrel.init
  """
  use Mix.Task

  @impl true
  def run(arguments), do: Mix.Pkgrel.run(["init" | arguments])
end

defmodule Mix.Tasks.Pkgrel.Build do
  @shortdoc "Builds .deb and .rpm packages of this project's release"
  @moduledoc """
  Builds packages of this project's release: `pkgrel build .`, with its options.

      mix pkgrel.build --distro debian12 --distro el9
      mix pkgrel.build --distro all --builder host
  """
  use Mix.Task

  @impl true
  def run(arguments), do: Mix.Pkgrel.run(["build", "." | arguments])
end
