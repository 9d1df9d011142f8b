%% One connection of Erlang's ssl over datagrams, which are of DTLS 1.2 or 1.0. Its words are those of ../dtls/wolfssl.c, and it
%% has no connection ids.
main(["client", Port, Version, "-", "any", Root]) ->
    {ok, _} = application:ensure_all_started(ssl),
    Options = [{verify, verify_peer}, {cacertfile, Root}, {server_name_indication, "localhost"} | common(Version)],
    case ssl:connect({127, 0, 0, 1}, list_to_integer(Port), Options, 25000) of
        {ok, Socket} ->
            connected(Socket),
            io:format("HEARD ~s~n", [answer(Socket, 40)]),
            ssl:close(Socket);
        Other ->
            io:format("FAILED ~p~n", [Other])
    end;
main(["server", Port, Version, "-", "any", Chain, Key]) ->
    {ok, _} = application:ensure_all_started(ssl),
    Options = [{certfile, Chain}, {keyfile, Key}, {ip, {127, 0, 0, 1}} | common(Version)],
    {ok, Listener} = ssl:listen(list_to_integer(Port), Options),
    io:format("READY~n"),
    {ok, Accepted} = ssl:transport_accept(Listener),
    case ssl:handshake(Accepted, 25000) of
        {ok, Socket} ->
            connected(Socket),
            echo(Socket);
        Other ->
            io:format("FAILED ~p~n", [Other])
    end.

common(Version) ->
    Versions = [case Version of "1.2" -> 'dtlsv1.2'; "1.0" -> dtlsv1 end],
    [{protocol, dtls}, {versions, Versions}, {active, false}, {mode, binary}].

connected(Socket) ->
    {ok, [{protocol, Version}]} = ssl:connection_information(Socket, [protocol]),
    io:format("CONNECTED ~p~n", [Version]).

%% Says it again as long as it is not answered: either may be lost.
answer(Socket, Tries) when Tries > 0 ->
    ok = ssl:send(Socket, "from Erlang"),
    case ssl:recv(Socket, 0, 500) of
        {ok, Heard} -> Heard;
        {error, timeout} -> answer(Socket, Tries - 1)
    end.

%% Until the client has closed, or says nothing more. What it has sent goes with the connection otherwise.
echo(Socket) ->
    case ssl:recv(Socket, 0, 10000) of
        {ok, Heard} ->
            io:format("HEARD ~s~n", [Heard]),
            ok = ssl:send(Socket, Heard),
            echo(Socket);
        {error, _} ->
            ssl:close(Socket)
    end.
