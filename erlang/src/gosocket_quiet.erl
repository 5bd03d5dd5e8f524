%% @private
%% @doc Whether spinning pays: a lane or caller that polls for a moment keeps its scheduler awake between the two
%% halves of a round trip, but takes the processor from others that have work. It does while at most two processes
%% call, and as long as a good part of the spins find what they wait for. Pending calls and the size of batches do not tell:
%% idle sockets have receives pending, and spinning makes batches small.
-module(gosocket_quiet).

-export([new/2,
         note/2,
         note/3,
         calls/3,
         rounds/2,
         is_quiet/1,
         found/2,
         missed/2]).

-export_type([quiet/0, awaited/0]).

-include("gosocket.hrl").

%% So many calls in a row of no more than two processes make it quiet.
-define(CALLS, 64).

%% As many spins in vain as this, those that found something taken off, are followed by a pause of so many occasions.
-define(VAIN, 16).
-define(PAUSE, 512).

-record(quiet,
        %% the two processes that called last, and how many calls of theirs are missing
        {newest = none :: pid() | none,
         other = none :: pid() | none,
         missing = ?CALLS :: non_neg_integer(),
         rounds :: non_neg_integer(),
         %% spins that may still be in vain; below 0 those that are still left out
         answer = ?VAIN :: integer(),
         request = ?VAIN :: integer(),
         %% with the verdict for callers
         words :: atomics:atomics_ref()}).

-opaque quiet() :: #quiet{}.

%% What is to come next: the answer to something that was written, or somebody's request.
-type awaited() :: answer | request.

-include("gosocket_reload.hrl").

-spec new(Rounds :: non_neg_integer(), #gosocket_lane{}) -> quiet().
new(Rounds, #gosocket_lane{words = Words}) ->
    #quiet{rounds = Rounds, words = Words}.

%% @doc The process calls.
-spec note(pid(), quiet()) -> quiet().
note(Pid, #quiet{newest = Pid, missing = 0} = Quiet) ->
    Quiet;
note(Pid, #quiet{other = Pid, missing = 0} = Quiet) ->
    Quiet;
note(Pid, #quiet{newest = Newest, other = Other, missing = Missing, words = Words} = Quiet) when Pid =:= Newest; Pid =:= Other ->
    Missing =:= 1 andalso atomics:put(Words, ?QUIET_WORD, 1),
    Quiet#quiet{missing = Missing - 1};
note(Pid, #quiet{newest = Newest, missing = Missing, words = Words} = Quiet) ->
    Missing =:= 0 andalso atomics:put(Words, ?QUIET_WORD, 0),
    Quiet#quiet{newest = Pid, other = Newest, missing = ?CALLS}.

%% @doc The same, with so many items in its batch. Among three there are more than two callers, who are looked at in the first ones only.
-spec note(pid(), Count :: non_neg_integer(), quiet()) -> quiet().
note(Pid, Count, Quiet) when Count < 3 -> note(Pid, Quiet);
note(_Pid, _Count, Quiet) -> Quiet.

%% @doc The lane has so many new calls, of which the last has the number before this one in its dictionary. Among three there are more
%% than two callers.
-spec calls(New :: non_neg_integer(), Next :: non_neg_integer(), quiet()) -> quiet().
calls(New, Next, Quiet) when New =:= 0; Next =:= 0 ->
    Quiet;
calls(New, Next, Quiet) when New < 3 ->
    note(element(1, get(Next - 1)), calls(New - 1, Next - 1, Quiet));
calls(_New, _Next, #quiet{missing = ?CALLS} = Quiet) ->
    Quiet;
calls(_New, _Next, #quiet{missing = Missing, words = Words} = Quiet) ->
    Missing =:= 0 andalso atomics:put(Words, ?QUIET_WORD, 0),
    Quiet#quiet{newest = none, other = none, missing = ?CALLS}.

%% @doc How many rounds the lane may spin now.
-spec rounds(awaited(), quiet()) -> {non_neg_integer(), quiet()}.
rounds(answer, #quiet{missing = 0, answer = Left} = Quiet) when Left < 0 -> {0, Quiet#quiet{answer = resumed(Left + 1)}};
rounds(request, #quiet{missing = 0, request = Left} = Quiet) when Left < 0 -> {0, Quiet#quiet{request = resumed(Left + 1)}};
rounds(_, #quiet{missing = 0, rounds = Rounds} = Quiet) -> {Rounds, Quiet};
rounds(_, Quiet) -> {0, Quiet}.

%% @doc Whether at most two processes call, and spins are allowed.
-spec is_quiet(quiet()) -> boolean().
is_quiet(#quiet{missing = Missing, rounds = Rounds}) -> Missing =:= 0 andalso Rounds > 0.

-spec resumed(integer()) -> integer().
resumed(0) -> ?VAIN;
resumed(Left) -> Left.

%% @doc A spin has found something.
-spec found(awaited(), quiet()) -> quiet().
found(answer, #quiet{answer = Left} = Quiet) when Left < ?VAIN -> Quiet#quiet{answer = Left + 1};
found(request, #quiet{request = Left} = Quiet) when Left < ?VAIN -> Quiet#quiet{request = Left + 1};
found(_, Quiet) -> Quiet.

%% @doc A spin has found nothing.
-spec missed(awaited(), quiet()) -> quiet().
missed(answer, #quiet{answer = Left} = Quiet) -> Quiet#quiet{answer = paused(Left - 1)};
missed(request, #quiet{request = Left} = Quiet) -> Quiet#quiet{request = paused(Left - 1)}.

-spec paused(non_neg_integer()) -> integer().
paused(0) -> -?PAUSE;
paused(Left) -> Left.
