defmodule Hello.Application do
  @moduledoc false
  use Application

  @impl true
  def start(_type, _args) do
    # Stopped in reverse: no new connections first, then up to five seconds for those that are open.
    children = [
      {Task.Supervisor, name: Hello.Connections},
      {Hello.Server, Application.fetch_env!(:hello, :http)}
    ]

    Supervisor.start_link(children, strategy: :rest_for_one)
  end
end
