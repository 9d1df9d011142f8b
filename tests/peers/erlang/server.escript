#!/usr/bin/env escript
%%! +sbtu +A1
%% Echo server over Erlang's ssl. Argument: a file with one term, a list of
%%   {ssl, Options}   options for ssl:listen/2
%% Prints "READY <port>", then a JSON object for each handshake. Runs until it is killed.
-mode(compile).

main([ConfigFile]) ->
    {ok, [Config]} = file:consult(ConfigFile),
    logger:set_primary_config(level, none),
    case application:ensure_all_started(ssl) of
        {ok, _} ->
            ok;
        {error, Reason} ->
            io:format(standard_error, "ssl does not start (is erlang-ssl installed?): ~p~n", [Reason]),
            halt(2)
    end,
    Fixed = [{ip, {127, 0, 0, 1}}, {reuseaddr, true}, {active, false}, {mode, binary}],
    case ssl:listen(0, Fixed ++ proplists:get_value(ssl, Config, [])) of
        {ok, Listener} ->
            {ok, {_, Port}} = ssl:sockname(Listener),
            io:format("READY ~b~n", [Port]),
            accept(Listener);
        {error, Why} ->
            io:format(standard_error, "listen: ~p~n", [Why]),
            halt(2)
    end.

accept(Listener) ->
    {ok, Transport} = ssl:transport_accept(Listener),
    Worker = spawn(fun() -> receive go -> serve(Transport) end end),
    ok = ssl:controlling_process(Transport, Worker),
    Worker ! go,
    accept(Listener).

serve(Transport) ->
    case ssl:handshake(Transport, 10000) of
        {ok, Socket} ->
            {ok, Information} = ssl:connection_information(Socket, [protocol]),
            io:format("{\"handshake\":\"ok\",\"version\":\"~s\"}~n", [proplists:get_value(protocol, Information)]),
            echo(Socket);
        {error, {tls_alert, {Alert, _}}} ->
            io:format("{\"handshake\":\"alert\",\"alert\":\"~s\"}~n", [Alert]);
        {error, Reason} ->
            io:format("{\"handshake\":\"failed\",\"reason\":~s}~n", [quoted(Reason)])
    end.

echo(Socket) ->
    case ssl:recv(Socket, 0, 20000) of
        {ok, Data} ->
            ok = ssl:send(Socket, Data),
            echo(Socket);
        {error, _} ->
            ssl:close(Socket)
    end.

%% A term as a JSON string.
quoted(Term) ->
    Text = lists:flatten(io_lib:format("~0p", [Term])),
    [$", [case C of $" -> "\\\""; $\\ -> "\\\\"; _ when C < 32 -> $\s; _ -> C end || C <- Text], $"].
