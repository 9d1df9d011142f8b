#!/usr/bin/env escript
%%! +sbtu +A1
%% Echo server over Erlang's ssl. Argument: a file with one term, a list of
%%   {ssl, Options}   options for ssl:listen/2, and {shared_key, Binary}, the key of every identity
%% Prints "READY <port>", then a JSON object for each handshake: "version", "suite", "alpn", or
%% "error". Runs until it is killed.
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
    case ssl:listen(0, Fixed ++ with_key(proplists:get_value(ssl, Config, []))) of
        {ok, Listener} ->
            {ok, {_, Port}} = ssl:sockname(Listener),
            io:format("READY ~b~n", [Port]),
            accept(Listener);
        {error, Why} ->
            io:format(standard_error, "listen: ~p~n", [Why]),
            halt(2)
    end.

%% A function cannot be in a file of terms.
with_key(Options) ->
    case lists:keytake(shared_key, 1, Options) of
        {value, {_, Key}, Others} ->
            [{user_lookup_fun, {fun(psk, _, Secret) -> {ok, Secret} end, Key}} | Others];
        false ->
            with_user(Options)
    end.

%% {srp_user, {Name, Password}}: a server's only user; the salt is the same each time.
with_user(Options) ->
    case lists:keytake(srp_user, 1, Options) of
        {value, {_, {User, Password}}, Others} ->
            Salt = <<"sixteen bytes ..">>,
            Hash = crypto:hash(sha, [Salt, crypto:hash(sha, [User, $:, Password])]),
            Found = {ok, {srp_2048, Salt, Hash}},
            Known = list_to_binary(User),
            LookUp = fun(srp, Name, _) ->
                         case iolist_to_binary(Name) of
                             Known -> Found;
                             _ -> error
                         end
                     end,
            [{user_lookup_fun, {LookUp, none}} | Others];
        false ->
            Options
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
            {ok, Information} = ssl:connection_information(Socket, [protocol, selected_cipher_suite]),
            Suite = proplists:get_value(selected_cipher_suite, Information),
            Alpn = case ssl:negotiated_protocol(Socket) of
                       {ok, Protocol} -> io_lib:format(",\"alpn\":\"~s\"", [Protocol]);
                       {error, protocol_not_negotiated} -> ""
                   end,
            io:format("{\"version\":\"~s\",\"suite\":\"~s\"~s}~n",
                      [proplists:get_value(protocol, Information), ssl:suite_to_str(Suite), Alpn]),
            echo(Socket);
        {error, Reason} ->
            io:format("{\"error\":~s}~n", [quoted(Reason)])
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
