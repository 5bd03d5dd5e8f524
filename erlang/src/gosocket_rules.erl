%% @private
%% @doc What a helper may do, as flags of it: its capabilities, its allow-list, whether the kernel keeps these as well
%% (docs/security.md). Application variables say it, and nothing that a caller can pass to a call.
-module(gosocket_rules).

-export([flags/1]).

-type flag() :: string() | binary().

%% @doc Bad rules are no rules: a helper that may do more than was meant must not start.
-spec flags(gosocket_configuration:settings()) -> {ok, [flag()]} | {error, {Setting :: atom(), Wrong :: term()}}.
flags(Settings) ->
    try
        {ok, lists:append([flag(Setting, maps:get(Setting, Settings))
                           || Setting <- [capabilities, allow, narrow, system_call_filter, landlock], is_map_key(Setting, Settings)])}
    catch
        throw:{?MODULE, Setting, Wrong} -> {error, {Setting, Wrong}}
    end.

-spec flag(atom(), term()) -> [flag()].
flag(capabilities, Names) ->
    ["-capabilities", lists:append(lists:join(",", [name(Name) || Name <- elements(capabilities, Names)]))];
flag(system_call_filter, Is) when is_boolean(Is) -> ["-system-call-filter" || Is];
flag(landlock, Is) when is_boolean(Is) -> ["-landlock" || Is];
flag(List, Rules) when is_map(Rules), List =:= allow orelse List =:= narrow ->
    flag(List, maps:to_list(Rules));
flag(allow, Rules) ->
    lists:append([rule("-allow", Rule) || Rule <- elements(allow, Rules)]);
flag(narrow, Rules) ->
    lists:append([rule("-narrow", Rule) || Rule <- elements(allow, Rules)]);
flag(Variable, Wrong) ->
    wrong(Variable, Wrong).

%% The helper knows the rules by name. What it is given of one without elements allows nothing.
-spec rule(string(), term()) -> [flag()].
rule(Flag, {Rule, Elements}) when is_atom(Rule) ->
    Name = name(Rule),
    lists:append([[Flag, Name]
                  | [[Flag, iolist_to_binary([Name, $=, text(Rule, Element)])]
                     || Element <- elements(Rule, Elements)]]);
rule(_Flag, Wrong) ->
    wrong(allow, Wrong).

-spec text(Rule :: atom(), Element :: term()) -> iodata().
text(_, Number) when is_integer(Number), Number >= 0 -> integer_to_list(Number);
text(protocols, {raw, Number}) when is_integer(Number) -> integer_to_list(Number);
text(Rule, {First, Last}) when is_integer(First), is_integer(Last), Rule =:= local_ports orelse Rule =:= remote_ports ->
    [integer_to_list(First), $-, integer_to_list(Last)];
text(options, {Level, Number}) when is_integer(Level), is_integer(Number) -> [integer_to_list(Level), $:, integer_to_list(Number)];
text(Rule, {Address, Bits}) when is_tuple(Address), is_integer(Bits), Rule =:= local_addresses orelse Rule =:= remote_addresses ->
    [text(Rule, Address), $/, integer_to_list(Bits)];
text(Rule, Address) when is_tuple(Address), Rule =:= local_addresses orelse Rule =:= remote_addresses -> address(Rule, Address);
text(_, Name) when is_atom(Name) -> name(Name);
text(_, Text) when is_binary(Text) -> Text;
text(Rule, Text) ->
    case io_lib:printable_unicode_list(Text) andalso unicode:characters_to_binary(Text) of
        Bytes when is_binary(Bytes) -> Bytes;
        _ -> wrong(Rule, Text)
    end.

%% As inet:ntoa/1 does, which is no module to call here.
-spec address(atom(), tuple()) -> iodata().
address(Rule, Address) ->
    Parts = tuple_to_list(Address),
    try
        case length(Parts) of
            4 -> lists:join($., [integer_to_list(Octet) || Octet <- Parts]);
            8 -> lists:join($:, [integer_to_list(Word, 16) || Word <- Parts])
        end
    catch
        error:_ -> wrong(Rule, Address)
    end.

-spec elements(atom(), term()) -> [term()].
elements(Variable, Value) ->
    try length(Value) of
        _ -> Value
    catch
        error:badarg -> wrong(Variable, Value)
    end.

%% Names are separated by commas in a flag, and by = from a rule.
-spec name(term()) -> string().
name(Name) when is_atom(Name) ->
    Text = atom_to_list(Name),
    case re:run(Text, "^[a-zA-Z0-9_]+$", [{capture, none}]) of
        match -> Text;
        nomatch -> wrong(name, Name)
    end;
name(Wrong) ->
    wrong(name, Wrong).

-spec wrong(atom(), term()) -> no_return().
wrong(What, Wrong) ->
    throw({?MODULE, What, Wrong}).
