defmodule Hot.Odd do
  @moduledoc "Says that it is a supervisor and is none of OTP's, as some of ranch do."

  def child_spec(_),
    do: %{id: __MODULE__, start: {__MODULE__, :start_link, []}, type: :supervisor}

  def start_link, do: {:ok, :proc_lib.spawn_link(__MODULE__, :loop, [self()])}

  def loop(parent) do
    receive do
      {:"$gen_call", {pid, tag}, :which_children} ->
        send(pid, {tag, []})
        loop(parent)

      {:system, from, message} ->
        :sys.handle_system_msg(message, from, parent, __MODULE__, [], {:odd, parent})
    end
  end

  def system_continue(parent, _debug, _state), do: loop(parent)
  def system_terminate(reason, _parent, _debug, _state), do: exit(reason)
  def system_code_change(state, _module, _old, _extra), do: {:ok, state}
end
