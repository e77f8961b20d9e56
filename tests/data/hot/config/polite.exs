import Config

config :hot,
  port: String.to_integer(System.get_env("PORT", "4000")),
  greeting: "Good day",
  polite: true
