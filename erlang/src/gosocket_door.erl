%% @private
%% @doc What callers see of a lane, in persistent terms (gosocket.hrl). Whoever calls reads the pid first and the words after it:
%% a lane sets its words before it shows its pid, so that nobody takes one run of a lane for another.
-module(gosocket_door).

-export([key/1,
         make/2,
         known/1,
         look/1,
         is_running/1,
         open/3,
         close/2,
         load/3]).

-include("gosocket.hrl").

-include("gosocket_reload.hrl").

%% @doc The persistent term in which who calls often looks for the pid of a lane, which is found sooner by an atom. There are
%% as many as lanes.
-spec key(Number :: non_neg_integer()) -> atom().
key(Number) ->
    binary_to_atom(<<"gosocket_door_", (integer_to_binary(Number))/binary>>).

%% @doc For a lane of this number, of which there may have been runs. The table of an earlier time may be gone with its owner.
-spec make(Number :: non_neg_integer(), gosocket_setting:table()) -> #gosocket_lane{}.
make(Number, Settings) ->
    Known = case persistent_term:get(?KNOWN(Number), none) of
                #gosocket_lane{settings = Settings} = Same -> Same;
                #gosocket_lane{} = Earlier -> Earlier#gosocket_lane{settings = Settings};
                none -> #gosocket_lane{words = atomics:new(?LANE_WORDS, [{signed, false}]), settings = Settings}
            end,
    persistent_term:put(?KNOWN(Number), Known),
    Known.

%% @doc Where there was a lane of this number.
-spec known(Number :: non_neg_integer()) -> #gosocket_lane{}.
known(Number) ->
    persistent_term:get(?KNOWN(Number)).

%% @doc The lane, and whether nobody is to enter gosocket_wait.
-spec look(Number :: non_neg_integer()) -> {Lane :: pid(), none | gosocket_reload:loading()} | none.
look(Number) ->
    case persistent_term:get(?LANE(Number), none) of
        Lane when is_pid(Lane) -> {Lane, none};
        {loading, Lane, Loading} -> {Lane, Loading};
        none -> none
    end.

-spec is_running(Number :: non_neg_integer()) -> boolean().
is_running(Number) ->
    case look(Number) of
        {Lane, _} -> is_process_alive(Lane);
        none -> false
    end.

%% @doc Called by a lane whose helper has said hello: callers find it. Handles know its run by the number returned.
-spec open(Number :: non_neg_integer(), #gosocket_lane{}, [{Word :: pos_integer(), non_neg_integer()}]) -> Incarnation :: pos_integer().
open(Number, #gosocket_lane{words = Words, settings = Settings}, Values) ->
    Incarnation = atomics:add_get(Words, ?INCARNATION_WORD, 1),
    lists:foreach(fun({Word, Value}) -> atomics:put(Words, Word, Value) end, [{?QUIET_WORD, 0}, {?NO_COPIES_WORD, 0} | Values]),
    true = ets:delete_all_objects(Settings),
    load(Number, self(), none),
    Incarnation.

%% @doc It has ended. A new run may show itself already.
-spec close(Number :: non_neg_integer(), Lane :: pid()) -> ok.
close(Number, Lane) ->
    case look(Number) of
        {Lane, _} -> show(Number, none, none);
        _ -> ok
    end.

%% @doc Called by the lane.
-spec load(Number :: non_neg_integer(), Lane :: pid(), none | gosocket_reload:loading()) -> ok.
load(Number, Lane, none) -> show(Number, Lane, Lane);
load(Number, Lane, Loading) -> show(Number, none, {loading, Lane, Loading}).

%% Who has read the first calls, and who waits there has read the second.
-spec show(Number :: non_neg_integer(), pid() | none, term()) -> ok.
show(Number, Door, Shown) ->
    persistent_term:put(key(Number), Door),
    persistent_term:put(?LANE(Number), Shown).
