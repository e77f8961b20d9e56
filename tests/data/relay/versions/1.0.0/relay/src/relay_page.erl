-module(relay_page).
-export([show/0]).

show() ->
    {ok, Version} = application:get_key(relay, vsn),
    {ok, Greeting} = application:get_env(relay, greeting),
    Children = [Id || {Id, _, _, _} <- supervisor:which_children(relay_sup)],
    Events = gen_event:call(relay_events, relay_handler, count),
    io_lib:format("~s ~s ~b ~b ~0p", [Version, Greeting, relay_counter:count(), Events, lists:sort(Children)]).
