defmodule Ready do
  @moduledoc "Takes its time, answers on a socket that systemd holds, and says when it is ready."
  use Application

  @impl true
  def start(_type, _args) do
    # sd_listen_fds(3): the first socket is file descriptor 3.
    "1" = System.fetch_env!("LISTEN_FDS")
    {:ok, socket} = :gen_tcp.listen(0, [:binary, fd: 3, active: false])
    spawn_link(fn -> accept(socket) end)
    Process.sleep(2_000)
    Systemd.notify("READY=1")
    spawn_link(fn -> alive() end)
    Supervisor.start_link([], strategy: :one_for_one)
  end

  defp accept(socket) do
    {:ok, client} = :gen_tcp.accept(socket)
    :gen_tcp.send(client, "ready #{Application.spec(:ready, :vsn)}\n")
    :gen_tcp.close(client)
    accept(socket)
  end

  defp alive do
    Systemd.notify("WATCHDOG=1")
    Process.sleep(500)
    if File.exists?("hang"), do: Process.sleep(:infinity)
    alive()
  end
end
