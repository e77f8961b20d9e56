%% An event manager that a new version brings.
-module(relay_arriving).
-export([start_link/0]).

start_link() -> gen_event:start_link({local, ?MODULE}).
