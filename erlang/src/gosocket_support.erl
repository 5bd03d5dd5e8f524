%% @private
%% @doc What the running kernel has. The helper asks it and keeps what it says.
-module(gosocket_support).

-export([list/1,
         is/1]).

-type keys() :: [term()].

%% @doc Nothing is supported where the helper does not start.
-spec list(keys()) -> [{atom(), term()}].
list(Keys) ->
    ask(supports, Keys, []).

-spec is(keys()) -> boolean().
is(Keys) ->
    ask(is_supported, Keys, false).

-spec ask(supports | is_supported, keys(), Default) -> Default | term().
ask(Call, Keys, Default) ->
    case gosocket_names:find(default) of
        {ok, Lane} -> ask(Call, Keys, Default, Lane);
        {error, _} -> Default
    end.

-spec ask(supports | is_supported, keys(), Default, Lane :: non_neg_integer()) -> Default | term().
ask(Call, Keys, Default, Lane) ->
    case gosocket_wait:open(plain, list_to_tuple([Call | Keys]), false, Lane) of
        {ok, Answer} -> Answer;
        {error, _} -> Default
    end.
