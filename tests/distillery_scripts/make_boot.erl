%% Run by escript in the release's root: the boot scripts and RELEASES, with OTP's own tools.
main([Name, Version, Erts]) ->
    Dir = filename:join("releases", Version),
    Path = [{path, ["lib/*/ebin"]}, {outdir, Dir}, no_warn_sasl, silent],
    Rel = filename:join(Dir, Name),
    {ok, _, _} = systools:make_script(Rel, Path),
    {ok, [{release, Title, ErtsTuple, Apps}]} = file:consult(Rel ++ ".rel"),
    Few = [App || App <- Apps, lists:member(element(1, App), [kernel, stdlib, compiler, elixir])],
    Clean = filename:join(Dir, "start_clean"),
    ok = file:write_file(Clean ++ ".rel", io_lib:format("~p.~n", [{release, Title, ErtsTuple, Few}])),
    {ok, _, _} = systools:make_script(Clean, Path),
    ok = file:delete(Clean ++ ".rel"),
    ok = file:write_file("releases/start_erl.data", [Erts, " ", Version]),
    %% A relative path would be one below Erlang's own installation here.
    Here = fun filename:absname/1,
    ok = release_handler:create_RELEASES("./", Here("releases"), Here(Rel ++ ".rel"), []).
