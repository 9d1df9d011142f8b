#!/usr/bin/env escript
%%! +sbtu +A1
%% What erlang:decode_packet/3 makes of bytes. Argument: a file of terms {Type, Options, Hex}. Prints for
%% each a line "CASE " with the packets, tabs between them, as `packet_text` of the tests has them; at the
%% end "MORE" if bytes are left, or "ERROR".
-mode(compile).

main([File]) ->
    {ok, Cases} = file:consult(File),
    [io:format("CASE ~s~n", [lists:join("\t", pieces(Type, Type, Options, binary:decode_hex(Hex)))])
     || {Type, Options, Hex} <- Cases],
    io:format("DONE~n"),
    halt(0).

pieces(_, _, _, <<>>) ->
    [];
pieces(Type, Now, Options, Bytes) ->
    case erlang:decode_packet(Now, Bytes, Options) of
        {ok, Packet, Rest} -> [text(Packet) | pieces(Type, next(Type, Now, Packet), Options, Rest)];
        {more, _} -> ["MORE"];
        {error, _} -> ["ERROR"]
    end.

%% As ssl does it.
next(_, http_bin, {http_request, _, _, _}) -> httph_bin;
next(_, http_bin, {http_response, _, _, _}) -> httph_bin;
next(Type, httph_bin, http_eoh) -> Type;
next(_, Now, _) -> Now.

text({http_request, Method, Target, {Major, Minor}}) ->
    io_lib:format("REQUEST ~s ~s ~b.~b", [method(Method), target(Target), Major, Minor]);
text({http_response, {Major, Minor}, Status, Reason}) ->
    io_lib:format("RESPONSE ~b.~b ~b ~s", [Major, Minor, Status, escape(Reason)]);
text({http_header, Number, Name, Sent, Value}) ->
    Canonical = if is_atom(Name) -> atom_to_binary(Name); true -> Name end,
    Other = if Canonical =:= Sent -> ""; true -> ["(", escape(Sent), ")"] end,
    io_lib:format("HEADER ~b ~s~s=~s", [Number, escape(Canonical), Other, escape(Value)]);
text(http_eoh) ->
    "END";
text({http_error, Line}) ->
    ["UNPARSED ", escape(Line)];
text(Packet) ->
    escape(Packet).

method(Method) when is_atom(Method) -> atom_to_list(Method);
method(Method) -> ["other:", escape(Method)].

target('*') -> "*";
target({abs_path, Path}) -> escape(Path);
target({absoluteURI, Scheme, Host, undefined, Path}) ->
    io_lib:format("~s(~s,None,~s)", [Scheme, escape(Host), escape(Path)]);
target({absoluteURI, Scheme, Host, Port, Path}) ->
    io_lib:format("~s(~s,Some(~b),~s)", [Scheme, escape(Host), Port, escape(Path)]);
target({scheme, Scheme, Rest}) ->
    io_lib:format("scheme(~s,~s)", [escape(Scheme), escape(Rest)]);
target(Other) ->
    ["other(", escape(Other), ")"].

escape(Bytes) ->
    [byte(Byte) || <<Byte>> <= Bytes].

byte($\t) -> "\\t";
byte($\r) -> "\\r";
byte($\n) -> "\\n";
byte(Byte) when Byte =:= $\\; Byte =:= $'; Byte =:= $" -> [$\\, Byte];
byte(Byte) when Byte >= 16#20, Byte =< 16#7e -> Byte;
byte(Byte) -> string:lowercase(io_lib:format("\\x~2.16.0B", [Byte])).
