import Config

# systemd sets STATE_DIRECTORY for a unit with StateDirectory=.
config :hello,
  port: String.to_integer(System.get_env("PORT", "4000")),
  greeting: System.get_env("GREETING", "Hello"),
  state_dir: System.get_env("STATE_DIRECTORY") || System.get_env("HOME", ".")
