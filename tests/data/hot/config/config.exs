import Config

# A key that other versions have not.
config :unnumbered, [{String.to_atom("of_#{System.get_env("HOT_VERSION", "1.0.0")}"), true}]
