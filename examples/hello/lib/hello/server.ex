defmodule Hello.Server do
  @moduledoc """
  HTTP/1.1 over the packet parser that Erlang's sockets have built in, one request a connection.

  Enough for an example that must not need anything but OTP; a real service uses a real server.
  """
  use GenServer
  require Logger

  @request_timeout 5_000

  def start_link(opts), do: GenServer.start_link(__MODULE__, opts, name: __MODULE__)

  @impl true
  def init(opts) do
    # Listening before init returns: the release has started only when it can answer.
    Process.flag(:trap_exit, true)
    options = [:binary, packet: :http_bin, active: false, reuseaddr: true, backlog: 1024]

    case :gen_tcp.listen(opts[:port], options ++ opts[:socket]) do
      {:ok, socket} ->
        {:ok, port} = :inet.port(socket)
        Logger.info("#{Hello.title()} listens on port #{port}")
        {:ok, {socket, spawn_link(fn -> accept(socket) end)}}

      {:error, reason} ->
        {:stop, "cannot listen on port #{opts[:port]}: #{:inet.format_error(reason)}"}
    end
  end

  @impl true
  def handle_info({:EXIT, acceptor, reason}, {_, acceptor} = state), do: {:stop, reason, state}

  @impl true
  def terminate(_reason, {listener, acceptor}) do
    # A connection that has just been accepted is handed over before the acceptor ends.
    monitor = Process.monitor(acceptor)
    :gen_tcp.close(listener)

    receive do
      {:DOWN, ^monitor, :process, _, _} -> :ok
    end
  end

  defp accept(listener) do
    case :gen_tcp.accept(listener) do
      {:ok, socket} ->
        {:ok, task} =
          Task.Supervisor.start_child(Hello.Connections, fn -> wait_for_socket(socket) end)

        with :ok <- :gen_tcp.controlling_process(socket, task), do: send(task, :yours)
        accept(listener)

      {:error, reason} ->
        exit(reason)
    end
  end

  defp wait_for_socket(socket) do
    # A supervisor that stops asks its tasks to exit; this one answers its request first.
    Process.flag(:trap_exit, true)

    receive do
      :yours -> serve(socket)
    end
  end

  defp serve(socket) do
    with {:ok, {:http_request, method, {:abs_path, target}, _version}} <- next(socket),
         :ok <- skip_headers(socket) do
      [path | _query] = String.split(target, "?")
      :gen_tcp.send(socket, response(Hello.Router.call(to_string(method), path)))
    end

    :gen_tcp.close(socket)
  end

  defp skip_headers(socket) do
    case next(socket) do
      {:ok, {:http_header, _, _, _, _}} -> skip_headers(socket)
      {:ok, :http_eoh} -> :ok
      other -> other
    end
  end

  defp next(socket), do: :gen_tcp.recv(socket, 0, @request_timeout)

  defp response({status, body}) do
    body = body <> "\n"
    # Random bytes come from OpenSSL, so every answer proves that crypto's NIF works here.
    request_id = Base.encode16(:crypto.strong_rand_bytes(8), case: :lower)

    """
    HTTP/1.1 #{status}\r
    content-type: text/plain; charset=utf-8\r
    content-length: #{byte_size(body)}\r
    x-request-id: #{request_id}\r
    connection: close\r
    \r
    """ <> body
  end
end
