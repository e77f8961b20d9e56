defmodule Mix.Pkgrel do
  @moduledoc false

  # No shell is in between, so what is typed reaches pkgrel as it is.
  def run(arguments) do
    program = program() || Mix.raise(missing())
    options = [into: IO.stream(:stdio, :line)]

    case System.cmd(program, arguments, options) do
      {_, 0} -> :ok
      {_, status} -> exit({:shutdown, status})
    end
  end

  defp program do
    case System.get_env("PKGREL") do
      named when named in [nil, ""] -> System.find_executable("pkgrel")
      named -> named
    end
  end

  defp missing do
    """
    pkgrel is not installed, or not in PATH. It is a Python program (3.11 or later):

        uv tool install pkgrel       # or: pipx install pkgrel

    PKGREL names it where it is somewhere else.
    """
  end
end
