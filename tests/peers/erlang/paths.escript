#!/usr/bin/env escript
%% Judges paths: each file of a folder is one, as PEM, its anchor first and the peer's certificate last. Prints a line for
%% each, with the verdict of public_key:pkix_path_validation.
main([Folder]) ->
    Files = lists:sort(filelib:wildcard("*.path", Folder)),
    lists:foreach(
        fun(File) ->
            {ok, Pem} = file:read_file(filename:join(Folder, File)),
            [Anchor | Path] = [Der || {'Certificate', Der, not_encrypted} <- public_key:pem_decode(Pem)],
            Verdict =
                try public_key:pkix_path_validation(Anchor, Path, [{max_path_length, 10}]) of
                    {ok, _} -> ok;
                    {error, {bad_cert, Reason}} -> Reason;
                    {error, Reason} -> Reason
                catch
                    _:_ -> malformed
                end,
            io:format("~s ~0p~n", [filename:rootname(File), Verdict])
        end,
        Files
    ).
