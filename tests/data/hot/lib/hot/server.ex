defmodule Hot.Server do
  @moduledoc """
  Answers each connection with a line of what it sees; /slow takes its time. It is the same in all versions, so
  connections that are open stay so.
  """
  use Task, restart: :permanent

  def start_link(port), do: Task.start_link(__MODULE__, :run, [port])

  def run(port) do
    {:ok, listener} =
      :gen_tcp.listen(port, [:binary, packet: :http_bin, active: false, reuseaddr: true, backlog: 512])

    accept(listener)
  end

  defp accept(listener) do
    {:ok, socket} = :gen_tcp.accept(listener)
    {:ok, task} = Task.Supervisor.start_child(Hot.Connections, fn -> serve(socket) end)
    :gen_tcp.controlling_process(socket, task)
    accept(listener)
  end

  # Keeps the connection, as a websocket would.
  defp serve(socket) do
    case :gen_tcp.recv(socket, 0) do
      {:ok, {:http_request, _, {:abs_path, path}, _}} ->
        headers(socket)
        body = Hot.Page.show(path) <> "\n"
        :gen_tcp.send(socket, "HTTP/1.1 200 OK\r\ncontent-length: #{byte_size(body)}\r\n\r\n" <> body)
        serve(socket)

      _ ->
        :gen_tcp.close(socket)
    end
  end

  defp headers(socket) do
    case :gen_tcp.recv(socket, 0) do
      {:ok, {:http_header, _, _, _, _}} -> headers(socket)
      _ -> :ok
    end
  end
end
