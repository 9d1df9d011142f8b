#!/usr/bin/env escript
%% Prints the cipher suites that Erlang's ssl has in TLS 1.2, with and without certificates, one a line. The argument
%% is not looked at.

main(_) ->
    {ok, _} = application:ensure_all_started(ssl),
    Suites = ssl:cipher_suites(all, 'tlsv1.2') ++ ssl:cipher_suites(anonymous, 'tlsv1.2'),
    [io:format("~s~n", [ssl:suite_to_str(Suite)]) || Suite <- Suites].
