defmodule Unnumbered do
  @moduledoc "Other code in every release, and always the same version."

  @release System.get_env("HOT_VERSION", "1.0.0")
  def release, do: @release

  @on_load :loaded
  def loaded, do: :persistent_term.put(__MODULE__, @release)
end
