import Config

config :hot,
  port: String.to_integer(System.get_env("PORT", "4000")),
  greeting: System.get_env("GREETING", "Hello")
