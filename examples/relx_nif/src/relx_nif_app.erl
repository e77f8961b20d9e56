%% Starts the service: one supervisor, one listener.
-module(relx_nif_app).
-behaviour(application).
-behaviour(supervisor).

-export([start/2, stop/1, init/1]).

start(_Type, _Args) ->
    supervisor:start_link({local, relx_nif_sup}, ?MODULE, []).

stop(_State) ->
    ok.

init([]) ->
    {ok, Port} = application:get_env(relx_nif, port),
    Listener = #{id => listener, start => {relx_nif_http, start_link, [Port]}},
    {ok, {#{}, [Listener]}}.
