#!/usr/bin/env escript
%%! +sbtu +A1
%% One connection over Erlang's ssl, step by step. Argument: a file with one term, a list of
%%   {port, Port}     client of 127.0.0.1; without it, a server, which prints "READY <port>"
%%   {plain, Steps}   before the handshake, on the TCP connection
%%   {ssl, Options}   options for ssl:handshake/3 or ssl:connect/3
%%   {steps, Steps}   after it: {send, Data}, {expect, Data} (receives it), {update_keys, What},
%%                    renegotiate, renegotiation_is_rejected (asks for it), closed (the peer must have closed),
%%                    {setopts, Options}, {packet, Packet} (receives it, as the mode has it),
%%                    {message, Packet} (the same, in the mode active once), {send_fails, Data, Reason},
%%                    close, downgrade (after which the steps are on the TCP connection again)
%% Prints "DONE", or "FAILED" with the step and what it gave.
-mode(compile).

main([ConfigFile]) ->
    {ok, [Config]} = file:consult(ConfigFile),
    logger:set_primary_config(level, none),
    {ok, _} = application:ensure_all_started(ssl),
    Tcp = transport(proplists:get_value(port, Config)),
    steps(gen_tcp, Tcp, proplists:get_value(plain, Config, [])),
    Options = [{mode, binary} | proplists:get_value(ssl, Config, [])],
    Shaken = case proplists:is_defined(port, Config) of
                 true -> ssl:connect(Tcp, Options, 10000);
                 false -> ssl:handshake(Tcp, Options, 10000)
             end,
    case Shaken of
        {ok, Socket} ->
            steps(ssl, Socket, proplists:get_value(steps, Config, [])),
            io:format("DONE~n");
        {error, Reason} ->
            failed(handshake, Reason)
    end,
    halt(0).

transport(undefined) ->
    {ok, Listener} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}, {active, false}, {mode, binary}]),
    {ok, Port} = inet:port(Listener),
    io:format("READY ~b~n", [Port]),
    {ok, Tcp} = gen_tcp:accept(Listener, 15000),
    Tcp;
transport(Port) ->
    {ok, Tcp} = gen_tcp:connect({127, 0, 0, 1}, Port, [{active, false}, {mode, binary}], 10000),
    Tcp.

steps(_, _, []) ->
    ok;
steps(Module, Socket, [downgrade | Rest]) ->
    case Module:close(Socket, {self(), 10000}) of
        {ok, Tcp} -> steps(gen_tcp, Tcp, Rest);
        {ok, Tcp, Data} -> steps(gen_tcp, Tcp, but_for(Data, Rest));
        Other -> failed(downgrade, Other)
    end;
steps(Module, Socket, [Step | Rest]) ->
    case step(Module, Socket, Step) of
        ok -> steps(Module, Socket, Rest);
        Other -> failed(Step, Other)
    end.

%% What it still expects, after bytes that came together with the peer's close_notify.
but_for(Data, [{expect, Text} | Rest]) ->
    case string:prefix(Text, binary_to_list(Data)) of
        nomatch -> failed({expect, Text}, Data);
        [] -> Rest;
        Remainder -> [{expect, Remainder} | Rest]
    end;
but_for(Data, Rest) ->
    failed({downgrade, Rest}, Data).

step(Module, Socket, {send, Data}) ->
    Module:send(Socket, Data);
step(Module, Socket, {expect, Data}) ->
    Expected = list_to_binary(Data),
    case Module:recv(Socket, byte_size(Expected), 15000) of
        {ok, Expected} -> ok;
        Other -> Other
    end;
step(ssl, Socket, {setopts, Options}) ->
    ssl:setopts(Socket, Options);
step(ssl, Socket, {packet, Packet}) ->
    case ssl:recv(Socket, 0, 15000) of
        {ok, Packet} -> ok;
        Other -> Other
    end;
step(ssl, Socket, {message, Packet}) ->
    ok = ssl:setopts(Socket, [{active, once}]),
    receive
        {ssl, Socket, Packet} -> ok;
        Other -> Other
    after 15000 -> timeout
    end;
step(ssl, Socket, {send_fails, Data, Reason}) ->
    case ssl:send(Socket, Data) of
        {error, Reason} -> ok;
        Other -> Other
    end;
step(Module, Socket, closed) ->
    case Module:recv(Socket, 0, 15000) of
        {error, closed} -> ok;
        Other -> Other
    end;
step(Module, Socket, close) ->
    Module:close(Socket);
step(ssl, Socket, {update_keys, What}) ->
    ssl:update_keys(Socket, What);
step(ssl, Socket, renegotiate) ->
    ssl:renegotiate(Socket);
step(ssl, Socket, renegotiation_is_rejected) ->
    case ssl:renegotiate(Socket) of
        {error, renegotiation_rejected} -> ok;
        Other -> Other
    end.

failed(Step, Result) ->
    io:format("FAILED ~0p: ~0p~n", [Step, Result]),
    halt(1).
