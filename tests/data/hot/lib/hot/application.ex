defmodule Hot.Application do
  @moduledoc false
  use Application

  @impl true
  def start(_type, _args) do
    # What nobody can write down.
    Application.put_env(:unnumbered, :release, &Unnumbered.release/0)
    Hot.Workers.start_link()
  end

  @impl true
  def config_change(changed, new, removed) do
    :persistent_term.put(:config_change, {changed, new, removed})
    :ok
  end
end
