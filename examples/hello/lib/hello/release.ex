defmodule Hello.Release do
  @moduledoc """
  Tasks that an operator runs with `bin/hello eval "Hello.Release.migrate()"`.

  The "database" is one file in the state directory that holds the last migration's number.
  """

  @migrations [{1, "create visitors"}, {2, "index visitors by name"}]

  @doc "Apply the migrations that this host has not seen; does nothing the second time."
  @spec migrate() :: :ok
  def migrate do
    # `eval` has started nothing, and before Elixir 1.11 not even loaded the application's settings.
    :ok = Application.ensure_loaded(:hello)
    done = schema_version()

    for {number, title} <- @migrations, number > done do
      File.write!(schema_file(), "#{number}\n")
      IO.puts("migrated #{number}: #{title}")
    end

    :ok
  end

  @doc "Number of the last migration that ran, 0 for none."
  @spec schema_version() :: non_neg_integer()
  def schema_version do
    case File.read(schema_file()) do
      {:ok, text} -> text |> String.trim() |> String.to_integer()
      {:error, :enoent} -> 0
    end
  end

  defp schema_file, do: Path.join(Application.fetch_env!(:hello, :state_dir), "schema_version")
end
