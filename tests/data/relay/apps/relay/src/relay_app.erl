-module(relay_app).
-behaviour(application).
-export([start/2, stop/1, config_change/3]).

start(_Type, _Arguments) ->
    {ok, Pid} = relay_sup:start_link(),
    ok = gen_event:add_handler(relay_events, relay_handler, []),
    {ok, Pid}.

stop(_State) -> ok.
config_change(_Changed, _New, _Removed) -> ok.
