defmodule Hot.Moving do
  @moduledoc "Is of another application in 1.2.0. Knows where it has been."
  use GenServer

  @place Mix.Project.config()[:app]

  def start_link(_), do: GenServer.start_link(__MODULE__, [@place], name: __MODULE__)
  def places, do: GenServer.call(__MODULE__, :places)

  @impl true
  def init(places), do: {:ok, places}

  @impl true
  def handle_call(:places, _from, places), do: {:reply, {@place, places}, places}

  @impl true
  def code_change({:down, _}, places, _), do: {:ok, [:back | places]}
  def code_change(_, places, _), do: {:ok, [@place | places]}
end
