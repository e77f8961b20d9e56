defmodule Hot.Workers do
  use Supervisor

  def start_link, do: Supervisor.start_link(__MODULE__, [], name: __MODULE__)

  @impl true
  def init(_) do
    children = [
      Hot.Counter,
      Hot.Arriving,
      Hot.Moving,
      Hot.Numbered,
      {Task.Supervisor, name: Hot.Connections},
      {Hot.Server, Application.fetch_env!(:hot, :port)}
    ]

    Supervisor.init(children, strategy: :one_for_one)
  end
end

defmodule Hot.Counter do
  use GenServer

  def start_link(_), do: GenServer.start_link(__MODULE__, 0, name: __MODULE__)
  def count, do: GenServer.call(__MODULE__, :count)

  @impl true
  def init(count), do: {:ok, %{count: count}}

  @impl true
  def handle_call(:count, _from, %{count: count}), do: {:reply, count + 1, %{count: count + 1}}

  @impl true
  def code_change({:down, _}, %{count: count}, _), do: {:ok, count}
  def code_change(_, count, _) when is_integer(count), do: {:ok, %{count: count}}
  def code_change(_, state, _), do: {:ok, state}
end

defmodule Hot.Arriving do
  use GenServer
  def start_link(_), do: GenServer.start_link(__MODULE__, [], name: __MODULE__)
  @impl true
  def init(_), do: {:ok, []}
end

defmodule Hot.Numbered do
  use GenServer
  @vsn "1"
  def start_link(_), do: GenServer.start_link(__MODULE__, :one, name: __MODULE__)
  @impl true
  def init(state), do: {:ok, state}
end

defmodule Hot.Page do
  def show("/count"), do: Integer.to_string(Hot.Counter.count())
  def show("/places"), do: inspect(Hot.Moving.places())

  def show(_) do
    Enum.join(
      [
        Application.spec(:hot, :vsn),
        Application.get_env(:hot, :greeting),
        Hot.Polite.say(1),
        Hot.Polite.say(:atom),
        children(),
        inspect(:persistent_term.get(:config_change, nil))
      ],
      " | "
    )
  end

  defp children do
    children = Supervisor.which_children(Hot.Workers)
    Enum.join(Enum.sort(for {_, pid, _, [module]} <- children, is_pid(pid), do: inspect(module)), ",")
  end
end

defimpl Hot.Polite, for: Integer do
  def say(_), do: "number one"
end

defimpl Hot.Polite, for: Atom do
  def say(_), do: "an atom"
end
