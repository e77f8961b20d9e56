defmodule Hot.Application do
  @moduledoc false
  use Application

  @impl true
  def start(_type, _args), do: Hot.Workers.start_link()

  @impl true
  def config_change(changed, new, removed) do
    :persistent_term.put(:config_change, {changed, new, removed})
    :ok
  end
end
