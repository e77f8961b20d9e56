%% Answers each connection with a line. It is the same in all versions.
-module(relay_http).
-export([start_link/0, run/1]).

start_link() ->
    {ok, Port} = application:get_env(relay, port),
    proc_lib:start_link(?MODULE, run, [Port]).

run(Port) ->
    {ok, Listener} = gen_tcp:listen(Port, [binary, {packet, http_bin}, {active, false}, {reuseaddr, true}]),
    proc_lib:init_ack({ok, self()}),
    accept(Listener).

accept(Listener) ->
    {ok, Socket} = gen_tcp:accept(Listener),
    _ = gen_tcp:recv(Socket, 0),
    Body = io_lib:format("~ts~n", [relay_page:show()]),
    ok = gen_tcp:send(Socket, [<<"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n">>, Body]),
    gen_tcp:close(Socket),
    accept(Listener).
