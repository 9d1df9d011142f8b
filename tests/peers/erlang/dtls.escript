%% One connection of Erlang's ssl over datagrams, which are of DTLS 1.2. Its words are those of ../dtls/wolfssl.c, and it has
%% no connection ids.
main(["client", Port, "1.2", "-", "any", Root]) ->
    {ok, _} = application:ensure_all_started(ssl),
    Options = [{verify, verify_peer}, {cacertfile, Root}, {server_name_indication, "localhost"} | common()],
    case ssl:connect({127, 0, 0, 1}, list_to_integer(Port), Options, 15000) of
        {ok, Socket} ->
            connected(Socket),
            ok = ssl:send(Socket, "from Erlang"),
            {ok, Heard} = ssl:recv(Socket, 0, 10000),
            io:format("HEARD ~s~n", [Heard]),
            ssl:close(Socket);
        Other ->
            io:format("FAILED ~p~n", [Other])
    end;
main(["server", Port, "1.2", "-", "any", Chain, Key]) ->
    {ok, _} = application:ensure_all_started(ssl),
    Options = [{certfile, Chain}, {keyfile, Key}, {ip, {127, 0, 0, 1}} | common()],
    {ok, Listener} = ssl:listen(list_to_integer(Port), Options),
    io:format("READY~n"),
    {ok, Accepted} = ssl:transport_accept(Listener),
    case ssl:handshake(Accepted, 15000) of
        {ok, Socket} ->
            connected(Socket),
            {ok, Heard} = ssl:recv(Socket, 0, 10000),
            io:format("HEARD ~s~n", [Heard]),
            ok = ssl:send(Socket, Heard),
            %% What it has sent goes with it otherwise.
            timer:sleep(300),
            ssl:close(Socket);
        Other ->
            io:format("FAILED ~p~n", [Other])
    end.

common() ->
    [{protocol, dtls}, {versions, ['dtlsv1.2']}, {active, false}, {mode, binary}].

connected(Socket) ->
    {ok, [{protocol, Version}]} = ssl:connection_information(Socket, [protocol]),
    io:format("CONNECTED ~p~n", [Version]).
