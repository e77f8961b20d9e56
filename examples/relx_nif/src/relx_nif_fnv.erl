%% FNV-1a, 32 bits, in C (c_src/fnv.c).
-module(relx_nif_fnv).

-export([hash/1]).
-on_load(load/0).

load() ->
    erlang:load_nif(filename:join(code:priv_dir(relx_nif), "fnv"), 0).

-spec hash(binary()) -> non_neg_integer().
hash(_Binary) ->
    erlang:nif_error(nif_not_loaded).
