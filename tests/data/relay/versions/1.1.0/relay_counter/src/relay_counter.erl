-module(relay_counter).
-behaviour(gen_statem).
-export([start_link/0, count/0, init/1, callback_mode/0, handle_event/4, code_change/4]).

start_link() -> gen_statem:start_link({local, ?MODULE}, ?MODULE, [], []).
count() -> gen_statem:call(?MODULE, count).

init([]) -> {ok, counting, #{count => 0}}.
callback_mode() -> handle_event_function.
handle_event({call, From}, count, counting, #{count := Count}) ->
    {keep_state, #{count => Count + 1}, {reply, From, Count + 1}}.

code_change({down, _Version}, State, #{count := Count}, _Extra) -> {ok, State, Count};
code_change(_Version, State, Count, []) -> {ok, State, #{count => Count}};
code_change(_Version, State, Count, {appup, More}) -> {ok, State, #{count => Count + More}}.
