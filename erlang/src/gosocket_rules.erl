%% @private
%% @doc What a helper may do, as flags of it: its capabilities. Application variables say it, and
%% nothing that a caller can pass to a call.
-module(gosocket_rules).

-export([flags/0]).

%% @doc Bad rules are no rules: the helper must not start with fewer than were meant.
-spec flags() -> {ok, [string()]} | {error, {Variable :: atom(), Wrong :: term()}}.
flags() ->
    try
        {ok, lists:append([flag(Variable, Value) || Variable <- [capabilities],
                                                    {ok, Value} <- [application:get_env(gosocket, Variable)]])}
    catch
        throw:{?MODULE, Variable, Wrong} -> {error, {Variable, Wrong}}
    end.

-spec flag(atom(), term()) -> [string()].
flag(capabilities, Names) ->
    ["-capabilities", lists:append(lists:join(",", [name(capabilities, Name) || Name <- elements(capabilities, Names)]))].

-spec elements(atom(), term()) -> [term()].
elements(Variable, Value) ->
    try length(Value) of
        _ -> Value
    catch
        error:badarg -> throw({?MODULE, Variable, Value})
    end.

%% Names are separated by commas in the flag.
-spec name(atom(), term()) -> string().
name(Variable, Name) when is_atom(Name) ->
    Text = atom_to_list(Name),
    case re:run(Text, "^[a-zA-Z0-9_]+$", [{capture, none}]) of
        match -> Text;
        nomatch -> throw({?MODULE, Variable, Name})
    end;
name(Variable, Wrong) ->
    throw({?MODULE, Variable, Wrong}).
