-module(relay_handler).
-behaviour(gen_event).
-export([init/1, handle_event/2, handle_call/2, code_change/3]).

init([]) -> {ok, {count, 0}}.
handle_event(_Event, State) -> {ok, State}.
handle_call(count, {count, Count}) -> {ok, Count + 1, {count, Count + 1}}.

code_change({down, _Version}, {count, Count}, _Extra) -> {ok, Count};
code_change(_Version, Count, _Extra) -> {ok, {count, Count}}.
