defmodule Hot.Server do
  @moduledoc """
  Answers each request with a line of what it sees, and each message of a websocket with how many there were and the
  version. It is the same in all versions, so connections that are open stay so.
  """
  use Task, restart: :permanent

  def start_link(port), do: Task.start_link(__MODULE__, :run, [port])

  def run(port) do
    {:ok, _} = DynamicSupervisor.start_child(Hot.Connections, Hot.Odd)
    options = [:binary, packet: :http_bin, active: false, reuseaddr: true, backlog: 512]

    {:ok, listener} =
      if System.get_env("LISTEN_FDS"),
        do: :gen_tcp.listen(0, [:inet6, {:fd, 3} | options]),
        else: :gen_tcp.listen(port, options)

    accept(listener)
  end

  defp accept(listener) do
    {:ok, socket} = :gen_tcp.accept(listener)
    {:ok, task} = Task.Supervisor.start_child(Hot.Connections, fn -> serve(socket) end)
    :gen_tcp.controlling_process(socket, task)
    accept(listener)
  end

  # Keeps the connection.
  defp serve(socket) do
    case :gen_tcp.recv(socket, 0) do
      {:ok, {:http_request, _, {:abs_path, path}, _}} ->
        case key(socket) do
          nil -> answer(socket, page(path) <> "\n")
          key -> upgrade(socket, key)
        end

      _ ->
        :gen_tcp.close(socket)
    end
  end

  defp page("/unnumbered"), do: Unnumbered.release()
  defp page(path), do: Hot.Page.show(path)

  defp answer(socket, body) do
    :gen_tcp.send(socket, "HTTP/1.1 200 OK\r\ncontent-length: #{byte_size(body)}\r\n\r\n" <> body)
    serve(socket)
  end

  # The headers, of which one makes a websocket.
  defp key(socket, found \\ nil) do
    case :gen_tcp.recv(socket, 0) do
      {:ok, {:http_header, _, name, _, value}} ->
        websocket = String.downcase(to_string(name)) == "sec-websocket-key"
        key(socket, if(websocket, do: value, else: found))

      _ ->
        found
    end
  end

  # RFC 6455
  defp upgrade(socket, key) do
    accept = Base.encode64(:crypto.hash(:sha, key <> "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
    switching = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
    :gen_tcp.send(socket, switching <> "sec-websocket-accept: #{accept}\r\n\r\n")
    :inet.setopts(socket, packet: :raw)
    messages(socket, 1)
  end

  defp messages(socket, number) do
    with {:ok, <<_::9, length::7, _mask::32>>} <- :gen_tcp.recv(socket, 6),
         {:ok, _} <- :gen_tcp.recv(socket, length) do
      text = "#{number} #{Application.spec(:hot, :vsn)}"
      :gen_tcp.send(socket, [<<0x81, byte_size(text)>>, text])
      messages(socket, number + 1)
    else
      _ -> :gen_tcp.close(socket)
    end
  end
end
