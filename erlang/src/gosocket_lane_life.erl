%% @private
%% @doc Life and death around a lane: of its helper, of the processes that call or wait, and of its own code.
%% What the helper is to be told is returned.
-module(gosocket_lane_life).

-export([message/2,
         waiting/0,
         ticking/1,
         tick/2,
         gone/2,
         unguarded/1,
         ended/2,
         why/1,
         tell_leave/3]).

-include("gosocket.hrl").
-include("gosocket_lane.hrl").

-type told() :: {[tuple()], gosocket_lane:lane()}.

-include("gosocket_reload.hrl").

%% @doc A message that is neither a call nor from the helper.
-spec message(term(), gosocket_lane:lane()) -> told() | no_return().
message({'EXIT', _Stopper, shutdown}, Lane) ->
    done(shutdown, Lane);
message({'DOWN', _Monitor, process, Process, _Reason}, Lane) ->
    down(Process, Lane);
message({'EXIT', _Watcher, {died, Process}}, Lane) ->
    died(Process, Lane);
message({'EXIT', Watcher, _Reason}, #lane{liveness = Liveness} = Lane) ->
    {[], Lane#lane{liveness = gosocket_liveness:watcher_ended(Watcher, Liveness)}};
message({far, Event}, #lane{far = Far} = Lane) ->
    far(gosocket_far:event(Event, Far), Lane);
message({ask, Pid, Tag, sockets}, #lane{sockets = Sockets} = Lane) ->
    Pid ! {Tag, maps:values(Sockets)},
    {[], Lane};
message({ask, Pid, Tag, info}, #lane{hello = #{pid := OsPid, protections := Protections}, sockets = Sockets} = Lane) ->
    Pid ! {Tag, #{helper => OsPid, num_sockets => map_size(Sockets), protections => Protections}},
    {[], Lane};
message({reload, gosocket_wait, Loading}, Lane) ->
    door(Loading, Lane),
    gosocket_reload:tell(Loading, [{Pid, Tag} || {_, {Pid, Tag, _, _, _}} <- calls()]),
    {[], Lane#lane{loading = Loading}};
message({timeout, _Timer, {loaded, Loading}}, #lane{loading = Last} = Lane) ->
    Now = gosocket_reload:again(Loading, Last),
    door(Now, Lane),
    {[], Lane#lane{loading = Now}};
message(_Other, Lane) ->
    {[], Lane}.

%% @doc How many calls wait for their answer.
-spec waiting() -> non_neg_integer().
waiting() ->
    length(calls()).

%% Those that wait for their answer.
-spec calls() -> [{Id :: non_neg_integer(), gosocket_lane:entry()}].
calls() ->
    [{Id, gosocket_request:entry(Kept)} || {Id, Kept} <- get(), is_integer(Id), Id >= 0].

%% ---- Processes

-spec down(pid(), gosocket_lane:lane()) -> told().
down(Pid, #lane{far = Far} = Lane) ->
    case gosocket_far:is_proxy(Pid, Far) of
        true -> far(gosocket_far:event({down, Pid}, Far), Lane#lane{deaths = true});
        false -> died(Pid, Lane)
    end.

-spec died(pid(), gosocket_lane:lane()) -> told().
died(Process, #lane{far = Far} = Lane) ->
    far(gosocket_far:event({died, Process}, Far), Lane).

-spec far({[gosocket_far:item()], Dead :: [pid()], gosocket_far:far()}, gosocket_lane:lane()) -> told().
far({Items, Dead, Far}, Lane) ->
    {Items ++ [{died, Process} || Process <- Dead], lists:foldl(fun dead/2, Lane#lane{far = Far}, Dead)}.

-spec dead(pid(), Lane) -> Lane when Lane :: gosocket_lane:lane().
dead(Process, #lane{liveness = Liveness, selects = Selects} = Lane) ->
    Lane#lane{liveness = gosocket_liveness:forget(Process, Liveness),
              selects = gosocket_selects:dead(Process, Selects),
              deaths = true}.

%% ---- The helper

%% @doc Called for every call: the helper is to be heard of from now on.
-spec ticking(Lane) -> Lane when Lane :: gosocket_lane:lane().
ticking(#lane{ticking = true} = Lane) ->
    Lane;
ticking(#lane{liveness = Liveness} = Lane) ->
    Lane#lane{ticking = true, liveness = gosocket_liveness:start(Liveness)}.

-spec tick(Frames :: pos_integer(), gosocket_lane:lane()) -> told() | no_return().
tick(Frames, Lane) ->
    #lane{selects = Selects} = Lane1 = bury(Lane),
    case lists:any(fun(Key) -> is_integer(Key) andalso Key >= 0 end, get_keys()) orelse not gosocket_selects:is_empty(Selects) of
        true -> listen(Frames, Lane1);
        false -> {[], Lane1#lane{ticking = false}}
    end.

%% The helper drops what dead processes wait for without an answer. An answer that was on its way when
%% the process died is still to be handed back: such a call is forgotten one tick after it was found.
-spec bury(Lane) -> Lane when Lane :: gosocket_lane:lane().
bury(#lane{deaths = false, orphans = []} = Lane) ->
    Lane;
bury(#lane{deaths = Deaths, orphans = Orphans, far = Far} = Lane) ->
    lists:foreach(fun(Kept) -> forget(gosocket_request:entry(Kept), Lane) end,
                  [Kept || Id <- Orphans, Kept <- [erase(Id)], Kept =/= undefined]),
    Lane#lane{deaths = false,
              far = gosocket_far:forget_dead(Far),
              orphans = [Id || Deaths, {Id, Entry} <- calls(), not gosocket_far:is_waiting(Entry, Far)]}.

%% Whether it has set what it should set will not be heard.
-spec forget(gosocket_lane:entry(), gosocket_lane:lane()) -> ok.
forget({_, _, {set, Position}, _, Socket} = Entry, #lane{settings = Settings}) ->
    gosocket_setting:answered(set, Position, {Socket, <<>>}, Settings),
    gosocket_far:dropped(Entry);
forget(Entry, _Lane) ->
    gosocket_far:dropped(Entry).

-spec listen(Frames :: pos_integer(), gosocket_lane:lane()) -> told() | no_return().
listen(Frames, #lane{liveness = Liveness, home = {Number, _}, hello = #{pid := OsPid}, port = Port} = Lane) ->
    case gosocket_liveness:listen(Frames, Liveness) of
        {ping, Heard} ->
            gosocket_liveness:next_tick(),
            {[gosocket_clock:question(Number)], Lane#lane{liveness = Heard}};
        dead ->
            gosocket_helper:kill(gosocket_helper:process(OsPid, Port)),
            gone(etimedout, Lane)
    end.

%% @doc The guardian has ended, or says that it is about to.
-spec unguarded(gosocket_lane:lane()) -> no_return().
unguarded(Lane) ->
    done({shutdown, unguarded}, Lane).

%% @doc Its supervisor, or who stops it, ends the lane.
-spec ended(Reason :: term(), gosocket_lane:lane()) -> no_return().
ended(Reason, Lane) ->
    done(why(Reason), Lane).

%% @doc Why a lane is ended: in order, or because somebody before it has died and takes it along. Then there will be another, for those who wait for one.
-spec why(Reason :: term()) -> term().
why(shutdown) ->
    case [Name || Name <- [gosocket_guardian, gosocket_names], whereis(Name) =:= undefined] of
        [] -> shutdown;
        _ -> {shutdown, unguarded}
    end;
why(Reason) ->
    Reason.

%% @doc The helper is gone: so is the lane.
-spec gone(Reason :: term(), gosocket_lane:lane()) -> no_return().
gone(Reason, #lane{hello = #{pid := Pid}} = Lane) ->
    logger:warning("gosocket: the helper (process ~w) is gone: ~tp", [Pid, Reason]),
    done({shutdown, Reason}, Lane).

%% Sends the aborts, since its guardian may be gone with the heir, and answers all calls: nobody else would soon see that the lane ends.
-spec done(Reason :: term(), gosocket_lane:lane()) -> no_return().
done(Reason, #lane{selects = Selects}) ->
    gosocket_selects:abort_all(Selects),
    lists:foreach(fun({_, {Pid, Tag, _, _, _}}) -> Pid ! {Tag, {gone, self(), Reason}} end, calls()),
    exit(Reason).

%% ---- Code

%% Shown to callers: closed while there is a loading.
-spec door(gosocket_reload:loading() | none, gosocket_lane:lane()) -> ok.
door(Loading, #lane{home = {Number, _}}) ->
    gosocket_door:load(Number, self(), Loading).

%% @doc Who has called in spite of the closed door waits in old code as well.
-spec tell_leave(pid(), Tag :: term(), gosocket_lane:lane()) -> ok.
tell_leave(_Pid, _Tag, #lane{loading = none}) ->
    ok;
tell_leave(Pid, Tag, #lane{loading = Loading}) ->
    Pid ! {Tag, {leave, Loading}},
    ok.
