#!/usr/bin/env escript
%% Walks paths with a verify_fun that accepts everything: each file of a folder is one, as PEM, its anchor first and the
%% peer's certificate last. Prints a line for each: what the function was told of each certificate, separated by `|`.
-mode(compile).

main([Folder]) ->
    Files = lists:sort(filelib:wildcard("*.path", Folder)),
    lists:foreach(
        fun(File) ->
            {ok, Pem} = file:read_file(filename:join(Folder, File)),
            [Anchor | Path] = [Der || {'Certificate', Der, not_encrypted} <- public_key:pem_decode(Pem)],
            put(told, []),
            End =
                try public_key:pkix_path_validation(Anchor, Path, [
                    {max_path_length, 10}, {verify_fun, {fun judge/3, none}}
                ]) of
                    {ok, _} -> ok;
                    {error, _} -> refused
                catch
                    _:_ -> malformed
                end,
            Told = [atom_to_list(What) || What <- lists:reverse(get(told))],
            io:format("~s ~p ~s~n", [filename:rootname(File), End, string:join(Told, " ")])
        end,
        Files
    ).

judge(_, {bad_cert, Reason}, State) when is_atom(Reason) -> tell(Reason), {valid, State};
judge(_, {bad_cert, _}, State) -> tell(bad), {valid, State};
judge(_, {extension, _}, State) -> {unknown, State};
judge(_, _, State) -> tell('|'), {valid, State}.

tell(What) -> put(told, [What | get(told)]).
