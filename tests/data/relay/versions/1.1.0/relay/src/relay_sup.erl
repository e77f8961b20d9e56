-module(relay_sup).
-behaviour(supervisor).
-export([start_link/0, init/1]).

start_link() -> supervisor:start_link({local, ?MODULE}, ?MODULE, []).

init([]) ->
    {ok, {#{}, [#{id => relay_counter, start => {relay_counter, start_link, []}},
                #{id => relay_events, start => {gen_event, start_link, [{local, relay_events}]}, modules => dynamic},
                #{id => relay_arriving, start => {relay_arriving, start_link, []}},
                #{id => relay_pool, start => {relay_pool, start_link, []}, type => supervisor},
                #{id => relay_http, start => {relay_http, start_link, []}}]}}.
