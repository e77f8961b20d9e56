%% GET /TEXT answers the hash of TEXT, which only the NIF can compute.
-module(relx_nif_http).

-export([start_link/1, init/2]).

-define(REQUEST_TIMEOUT, 5000).

start_link(Port) ->
    proc_lib:start_link(?MODULE, init, [self(), Port]).

init(Parent, Port) ->
    Options = [binary, {packet, http_bin}, {active, false}, {reuseaddr, true}],
    {ok, Listener} = gen_tcp:listen(Port, Options),
    proc_lib:init_ack(Parent, {ok, self()}),
    accept(Listener).

accept(Listener) ->
    {ok, Socket} = gen_tcp:accept(Listener),
    answer(Socket),
    gen_tcp:close(Socket),
    accept(Listener).

answer(Socket) ->
    case gen_tcp:recv(Socket, 0, ?REQUEST_TIMEOUT) of
        {ok, {http_request, 'GET', {abs_path, <<"/", Text/binary>>}, _}} ->
            skip_headers(Socket),
            gen_tcp:send(Socket, response(Text));
        _ ->
            ok
    end.

skip_headers(Socket) ->
    case gen_tcp:recv(Socket, 0, ?REQUEST_TIMEOUT) of
        {ok, {http_header, _, _, _, _}} -> skip_headers(Socket);
        _ -> ok
    end.

response(Text) ->
    Body = io_lib:format("~8.16.0b~n", [relx_nif_fnv:hash(Text)]),
    ["HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: ",
     integer_to_list(iolist_size(Body)), "\r\n\r\n", Body].
