defmodule Hello.Router do
  @moduledoc """
  What the service answers.

      GET /               greeting, name and version
      GET /health         `ok`
      GET /schema         the version that `Hello.Release.migrate/0` reached
  """

  @spec call(String.t(), String.t()) :: {String.t(), String.t()}
  def call("GET", "/") do
    {"200 OK", "#{Application.get_env(:hello, :greeting)} from #{Hello.title()}"}
  end

  def call("GET", "/health"), do: {"200 OK", "ok"}
  def call("GET", "/schema"), do: {"200 OK", to_string(Hello.Release.schema_version())}
  def call("GET", _path), do: {"404 Not Found", "not found"}
  def call(_method, _path), do: {"405 Method Not Allowed", "only GET"}
end
