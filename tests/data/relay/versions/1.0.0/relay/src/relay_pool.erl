%% Its children have no names, and it knows of them no more than how they are started.
-module(relay_pool).
-behaviour(supervisor).
-export([start_link/0, init/1]).

start_link() -> supervisor:start_link({local, ?MODULE}, ?MODULE, []).

init([]) ->
    {ok, {#{strategy => simple_one_for_one}, [#{id => job, start => {gen_event, start_link, []}}]}}.
