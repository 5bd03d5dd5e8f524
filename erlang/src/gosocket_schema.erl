%% @private
%% @doc What each setting may be, as an application variable, of a lane in the variable `lanes', and in `gosocket_lanes:start/2'. Names of
%% capabilities, and rules and elements of an allow-list, are known to the helper only.
-module(gosocket_schema).

-export([settings/0,
         flags/0,
         wrong/1]).

-export_type([wrong/0]).

%% What is wrong with the value.
-type wrong() :: {Setting :: term(), Value :: term(), string()}.
-type kind() :: boolean | path | {Least :: integer(), Most :: integer()} | [atom()] | rules.

-define(INT64, 16#7fffffffffffffff).

%% Name, value, flag of the helper. Callers find the rounds in a word of 64 bits; so many are some hours.
-spec table() -> [{atom(), kind(), Flag :: string() | none}].
table() ->
    [{helper, path, none},
     {capabilities, rules, none},
     {allow, rules, none},
     {system_call_filter, boolean, none},
     {landlock, boolean, none},
     {use_registry, boolean, none},
     {debug, boolean, none},
     {socket_debug, boolean, none},
     {lane_spin, {0, 16#ffffffff}, none},
     {caller_spin, {0, 16#ffffffff}, none},
     {loops, {1, 16}, "-loops"},
     {spin_us, {0, 1000000}, "-spin-us"},
     {log_level, [debug, info, warn, error], "-log-level"},
     {window, {4 bsl 10, 4032 bsl 10}, "-window"},
     {send_ahead, {0, 16#7fffffff}, "-send-ahead"}
     | [{Limit, {0, ?INT64}, Flag} || {Limit, Flag} <- [{parked_limit, "-parked-limit"},
                                                        {socket_limit, "-socket-limit"},
                                                        {waiting_limit, "-waiting-limit"},
                                                        {select_limit, "-select-limit"},
                                                        {unread_limit, "-unread-limit"},
                                                        {received_limit, "-received-limit"},
                                                        {memory_limit, "-memory-limit"}]]].

-spec settings() -> [atom()].
settings() ->
    [Setting || {Setting, _, _} <- table()].

%% @doc Those that are flags of the helper, with their value as it is printed.
-spec flags() -> [{atom(), string()}].
flags() ->
    [{Setting, Flag} || {Setting, _, Flag} <- table(), Flag =/= none].

%% @doc What is not understood of these.
-spec wrong(#{term() => term()}) -> [wrong()].
wrong(Settings) ->
    lists:append([wrong(Setting, Value) || {Setting, Value} <- maps:to_list(Settings)]).

-spec wrong(term(), term()) -> [wrong()].
wrong(Setting, Value) ->
    case lists:keyfind(Setting, 1, table()) of
        {_, rules, _} ->
            [{What, Wrong, "is nothing that docs/security.md has there"} || {error, {What, Wrong}} <- [gosocket_rules:flags(#{Setting => Value})]];
        {_, Kind, _} -> [{Setting, Value, "has to be " ++ what(Kind)} || not fits(Kind, Value)];
        false -> [{Setting, Value, "is the value of no setting: these are " ++ names(settings())}]
    end.

-spec fits(kind(), term()) -> boolean().
fits(boolean, Value) -> is_boolean(Value);
fits({Least, Most}, Value) -> is_integer(Value) andalso Value >= Least andalso Value =< Most;
fits(Names, Value) when is_list(Names) -> lists:member(Value, Names);
fits(path, <<_, _/binary>> = Value) -> binary:match(Value, <<0>>) =:= nomatch;
fits(path, [_ | _] = Value) -> io_lib:char_list(Value) andalso not lists:member(0, Value);
fits(path, _) -> false.

-spec what(kind()) -> string().
what(boolean) -> "true or false";
what({Least, Most}) -> lists:flatten(io_lib:format("an integer from ~b to ~b", [Least, Most]));
what(path) -> "the path of a program, a string";
what(Names) -> "one of " ++ names(Names).

-spec names([atom()]) -> string().
names(Names) ->
    lists:append(lists:join(", ", [atom_to_list(Name) || Name <- Names])).
