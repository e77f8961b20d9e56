-module(relay_handler).
-behaviour(gen_event).
-export([init/1, handle_event/2, handle_call/2, code_change/3]).

init([]) -> {ok, 0}.
handle_event(_Event, State) -> {ok, State}.
handle_call(count, Count) -> {ok, Count + 1, Count + 1}.

code_change(_Version, State, _Extra) -> {ok, State}.
