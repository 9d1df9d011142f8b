#!/usr/bin/env escript
%%! +sbtu +A1
%% Client over Erlang's ssl. Argument: a file with one term, a list of
%%   {port, Port}     on localhost, by its name: under an address sessions of TLS 1.2 are not found again
%%   {line, String}   sent with a line feed; an answer of the same length is awaited
%%   {count, N}       if more than 1: N lines are sent, numbered, and as many bytes awaited
%%   {before, N}      connections made and closed before, for their tickets
%%   {ssl, Options}   options for ssl:connect/4, and {shared_key, Binary}, the key of every identity
%% Prints one JSON object: "reply" or "error", "version", "suite", "alpn", "resumed". Exit code 0 or 1.
-mode(compile).

main([ConfigFile]) ->
    {ok, [Config]} = file:consult(ConfigFile),
    logger:set_primary_config(level, none),
    {ok, _} = application:ensure_all_started(ssl),
    Port = proplists:get_value(port, Config),
    Line = list_to_binary(proplists:get_value(line, Config)),
    Data = case proplists:get_value(count, Config, 1) of
               1 -> <<Line/binary, "\n">>;
               Count -> << <<Line/binary, (number(N))/binary>> || N <- lists:seq(0, Count - 1) >>
           end,
    Options = [{active, true}, {mode, binary} | with_key(proplists:get_value(ssl, Config, []))],
    [ticket(Port, Options) || _ <- lists:seq(1, proplists:get_value(before, Config, 0))],
    {Fields, Code} =
        case ssl:connect("localhost", Port, Options, 10000) of
            {ok, Socket} -> exchange(Socket, Line, Data);
            {error, Reason} -> {[{error, text(Reason)}], 1}
        end,
    io:format("{~s}~n", [lists:join($,, [[string(Name), $:, string(Value)] || {Name, Value} <- Fields])]),
    halt(Code).

%% A function cannot be in a file of terms.
with_key(Options) ->
    case lists:keytake(shared_key, 1, Options) of
        {value, {_, Key}, Others} ->
            [{user_lookup_fun, {fun(psk, _, Secret) -> {ok, Secret} end, Key}} | Others];
        false ->
            Options
    end.

%% Tickets come after the handshake, before the answer.
ticket(Port, Options) ->
    {ok, Socket} = ssl:connect("localhost", Port, Options, 10000),
    ok = ssl:send(Socket, <<"before\n">>),
    receive {ssl, Socket, _} -> ok after 15000 -> ok end,
    ssl:close(Socket).

number(N) -> list_to_binary(io_lib:format(" ~7..0b~n", [N])).

%% Active, because a passive socket loses an alert that comes while nobody receives.
exchange(Socket, Line, Data) ->
    About = about(Socket),
    _ = ssl:send(Socket, Data),
    case receive_all(Socket, byte_size(Data), []) of
        {ok, Data} ->
            ssl:close(Socket),
            {[{reply, Line} | About], 0};
        {ok, Reply} ->
            ssl:close(Socket),
            {[{reply, string:trim(Reply, trailing, "\n")} | About], 0};
        {error, Reason} ->
            {[{error, text(Reason)} | About], 1}
    end.

receive_all(_, Size, Parts) when Size =< 0 ->
    {ok, iolist_to_binary(lists:reverse(Parts))};
receive_all(Socket, Size, Parts) ->
    receive
        {ssl, Socket, Part} -> receive_all(Socket, Size - byte_size(Part), [Part | Parts]);
        {ssl_error, Socket, Reason} -> {error, Reason};
        {ssl_closed, Socket} -> {error, closed}
    after 15000 -> {error, timeout}
    end.

about(Socket) ->
    case ssl:connection_information(Socket, [protocol, selected_cipher_suite, session_resumption]) of
        {ok, Information} ->
            Suite = proplists:get_value(selected_cipher_suite, Information),
            Alpn = case ssl:negotiated_protocol(Socket) of
                       {ok, Protocol} -> [{alpn, Protocol}];
                       {error, _} -> []
                   end,
            [{version, text(proplists:get_value(protocol, Information))},
             {suite, ssl:suite_to_str(Suite)},
             {resumed, text(proplists:get_value(session_resumption, Information))} | Alpn];
        {error, _} ->
            []
    end.

text(Atom) when is_atom(Atom) -> atom_to_list(Atom);
text(Term) -> io_lib:format("~0p", [Term]).

%% Anything printable as a JSON string.
string(Name) when is_atom(Name) -> string(atom_to_list(Name));
string(Text) ->
    Characters = unicode:characters_to_list(Text),
    [$", [case C of $" -> "\\\""; $\\ -> "\\\\"; _ when C < 32 -> $\s; _ -> C end || C <- Characters], $"].
