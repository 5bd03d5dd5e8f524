%% @private
%% @doc Who is alive: the processes whose deaths the helper wants to hear of, and the helper itself. While calls or selects
%% are pending, the helper has to be heard of. Ticks without a frame from it before the last ping goes out, which has a tick
%% of its own: what has come meanwhile is read first, or a node that was stopped would kill a healthy helper.
-module(gosocket_liveness).

-export([new/0]).

-export([watch/2,
         unwatch/2,
         forget/2,
         watcher_ended/2]).

-export([start/1,
         next_tick/0,
         listen/2]).

-export_type([liveness/0]).

-define(TICK, 1000).
-define(LAST_PING, 3).

-record(liveness,
        {watched = #{} :: #{pid() => reference() | pid()},
         %% frames that had come at the last tick, and pings since then
         heard = 0 :: non_neg_integer(),
         silent = 0 :: non_neg_integer()}).

-opaque liveness() :: #liveness{}.

-include("gosocket_reload.hrl").

-spec new() -> liveness().
new() ->
    #liveness{}.

%% ---- Processes

-spec watch(pid(), liveness()) -> liveness().
watch(Process, #liveness{watched = Watched} = Liveness) ->
    Liveness#liveness{watched = Watched#{Process => gosocket_far:watch(Process)}}.

-spec unwatch(pid(), liveness()) -> liveness().
unwatch(Process, #liveness{watched = Watched} = Liveness) ->
    case maps:take(Process, Watched) of
        {Watcher, Rest} ->
            gosocket_far:unwatch(Watcher),
            Liveness#liveness{watched = Rest};
        error ->
            Liveness
    end.

%% @doc It is dead.
-spec forget(pid(), liveness()) -> liveness().
forget(Process, #liveness{watched = Watched} = Liveness) ->
    Liveness#liveness{watched = maps:remove(Process, Watched)}.

%% @doc A process that watches for a death at another node ended without having seen it: another one takes its place.
-spec watcher_ended(pid(), liveness()) -> liveness().
watcher_ended(Ended, #liveness{watched = Watched} = Liveness) ->
    lists:foldl(fun watch/2, Liveness, [Process || {Process, Watcher} <- maps:to_list(Watched), Watcher =:= Ended]).

%% ---- The helper

-spec start(liveness()) -> liveness().
start(Liveness) ->
    next_tick(),
    Liveness#liveness{heard = 0, silent = 0}.

-spec next_tick() -> reference().
next_tick() ->
    erlang:start_timer(?TICK, self(), tick).

%% @doc Called at a tick, with the number of frames that have come: a ping is to be sent, or the helper to be given up.
-spec listen(Frames :: pos_integer(), liveness()) -> {ping, liveness()} | dead.
listen(Frames, #liveness{heard = Heard} = Liveness) when Frames =/= Heard ->
    {ping, Liveness#liveness{heard = Frames, silent = 0}};
listen(_Frames, #liveness{silent = ?LAST_PING}) ->
    dead;
listen(_Frames, #liveness{silent = Silent} = Liveness) ->
    {ping, Liveness#liveness{silent = Silent + 1}}.
