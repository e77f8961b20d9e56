-module(relay_app).
-behaviour(application).
-export([start/2, stop/1, config_change/3]).

start(_Type, _Arguments) -> relay_sup:start_link().
stop(_State) -> ok.
config_change(_Changed, _New, _Removed) -> ok.
