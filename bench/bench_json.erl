%% @doc JSON of maps, lists, atoms, binaries and numbers.
-module(bench_json).

-export([encode/1]).

-type value() :: #{atom() => value()} | [value()] | atom() | binary() | number().

-spec encode(value()) -> iolist().
encode(Map) when is_map(Map) ->
    [${, lists:join($,, [["\n", string(Key), $:, encode(Value)] || {Key, Value} <- lists:sort(maps:to_list(Map))]), $}];
encode(List) when is_list(List) ->
    [$[, lists:join($,, [encode(Value) || Value <- List]), $]];
encode(none) -> "null";
encode(Boolean) when is_boolean(Boolean) -> atom_to_list(Boolean);
encode(Integer) when is_integer(Integer) -> integer_to_list(Integer);
encode(Float) when is_float(Float) -> float_to_list(Float, [short]);
encode(Text) -> string(Text).

%% ASCII.
-spec string(atom() | binary()) -> iolist().
string(Atom) when is_atom(Atom) -> string(atom_to_binary(Atom));
string(Text) -> [$", [escape(Character) || <<Character>> <= Text], $"].

-spec escape(byte()) -> iolist() | byte().
escape(Character) when Character < 32; Character > 126; Character =:= $"; Character =:= $\\ ->
    io_lib:format("\\u~4.16.0b", [Character]);
escape(Character) -> Character.
