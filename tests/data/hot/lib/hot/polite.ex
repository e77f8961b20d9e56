defprotocol Hot.Polite do
  @fallback_to_any true
  def say(value)
end

defimpl Hot.Polite, for: Any do
  def say(_), do: "anything"
end
