#!/usr/bin/env escript
%%! +sbtu +A1
%% Client over Erlang's ssl. Argument: a file with one term, a list of
%%   {port, Port}     on 127.0.0.1
%%   {line, String}   sent with a line feed; an answer of the same length is awaited
%%   {count, N}       if more than 1: N lines are sent, numbered, and as many bytes awaited
%%   {ssl, Options}   options for ssl:connect/4
%% Prints one JSON object: "reply" or "error", "version", "suite", "alpn". Exit code 0 or 1.
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
    Options = [{active, false}, {mode, binary} | proplists:get_value(ssl, Config, [])],
    {Fields, Code} =
        case ssl:connect({127, 0, 0, 1}, Port, Options, 10000) of
            {ok, Socket} -> exchange(Socket, Line, Data);
            {error, Reason} -> {[{error, text(Reason)}], 1}
        end,
    io:format("{~s}~n", [lists:join($,, [[string(Name), $:, string(Value)] || {Name, Value} <- Fields])]),
    halt(Code).

number(N) -> list_to_binary(io_lib:format(" ~7..0b~n", [N])).

exchange(Socket, Line, Data) ->
    About = about(Socket),
    ok = ssl:send(Socket, Data),
    case ssl:recv(Socket, byte_size(Data), 15000) of
        {ok, Data} ->
            ssl:close(Socket),
            {[{reply, Line} | About], 0};
        {ok, Reply} ->
            ssl:close(Socket),
            {[{reply, string:trim(Reply, trailing, "\n")} | About], 0};
        {error, Reason} ->
            {[{error, text(Reason)} | About], 1}
    end.

about(Socket) ->
    {ok, Information} = ssl:connection_information(Socket, [protocol, selected_cipher_suite]),
    Suite = proplists:get_value(selected_cipher_suite, Information),
    Alpn = case ssl:negotiated_protocol(Socket) of
               {ok, Protocol} -> [{alpn, Protocol}];
               {error, protocol_not_negotiated} -> []
           end,
    [{version, text(proplists:get_value(protocol, Information))}, {suite, ssl:suite_to_str(Suite)} | Alpn].

text(Atom) when is_atom(Atom) -> atom_to_list(Atom);
text(Term) -> io_lib:format("~0p", [Term]).

%% Anything printable as a JSON string.
string(Name) when is_atom(Name) -> string(atom_to_list(Name));
string(Text) ->
    Characters = unicode:characters_to_list(Text),
    [$", [case C of $" -> "\\\""; $\\ -> "\\\\"; _ when C < 32 -> $\s; _ -> C end || C <- Characters], $"].
