defmodule Hello do
  @moduledoc "A small HTTP service with nothing but OTP and Elixir's own applications."

  @doc "Name and version of the running release's application."
  @spec title() :: String.t()
  def title, do: "hello #{Application.spec(:hello, :vsn)}"
end
