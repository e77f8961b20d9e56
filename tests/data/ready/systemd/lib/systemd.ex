defmodule Systemd do
  @moduledoc "Stands in for the library of that name, which must be fetched: sd_notify(3)."

  def notify(state) do
    {:ok, socket} = :gen_udp.open(0, [:local])
    :ok = :gen_udp.send(socket, {:local, System.fetch_env!("NOTIFY_SOCKET")}, 0, state)
    :gen_udp.close(socket)
  end
end
