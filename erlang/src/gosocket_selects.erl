%% @private
%% @doc The armed selects of a lane. They stand in a table of the guardian's, which outlives the lane,
%% under their reference; the lane keeps them by process and slot as well, and so outlives the table. A process has at
%% most one select in each slot: arming another one there replaces it.
%%
%% Each select has one message. Who takes its row from the table sends that next, and is not scheduled out in between (see
%% undisturbed/0), which is where a process is ended: a row is taken and its message sent, or neither. So it is with a row that is put
%% there and the answer that tells of the select. Only one process at a time sends: others when it has ended.
-module(gosocket_selects).

-export([new/1,
         is_empty/1,
         is_armed/2,
         settle/4,
         send/3,
         unsent/1,
         fire/4,
         dead/2,
         abort_all/1]).

%% Who has the table when the lane is gone.
-export([new_table/1,
         abort_rest/1]).

-include("gosocket.hrl").

-export_type([selects/0]).

-record(selects,
        {table :: ets:table(),
         slots = #{} :: #{pid() => #{slot() => {reference(), gosocket_handle:handle()}}},
         %% of the select that the next answer tells of
         next = none :: none | row()}).

%% Of the reductions that a process has at a time (4000, less what was done with its signals before) as many as it may have used up. The rest
%% is for the next calls, and for memory that is collected in between.
-define(USED_UP, 3000).

-type slot() :: {socket_id(), read | write | accept | connect | atom()}.
-type call() :: {pid(), gosocket_wait:class(), Ref :: reference() | [], socket_id()}.
%% The helper's number, or for sockets of another node the handle.
-type socket_id() :: non_neg_integer() | gosocket_handle:handle().
-type row() :: {reference(), pid(), slot(), gosocket_handle:handle()}.
-opaque selects() :: #selects{}.

-include("gosocket_reload.hrl").

%% @doc With an heir, who gets it with this when its owner ends.
-spec new_table({heir, pid(), term()}) -> ets:table().
new_table(Heir) ->
    ets:new(gosocket_selects, [public, Heir]).

-spec new(ets:table()) -> selects().
new(Table) ->
    #selects{table = Table}.

-spec is_empty(selects()) -> boolean().
is_empty(#selects{slots = Slots}) ->
    map_size(Slots) =:= 0.

-spec is_armed(reference(), selects()) -> boolean().
is_armed(Ref, #selects{table = Table}) ->
    try
        ets:member(Table, Ref)
    catch
        error:badarg -> false
    end.

%% @doc What the answer of a call did to its process's select. The answer is to be passed on next, with send/3 if the call
%% was one that can arm a select.
-spec settle(call(), gosocket_handle:handle(), Answer :: binary(), selects()) -> selects().
settle({_, cancel, Ref, _}, _Handle, <<?ANSWER(_), ?OK>>, Selects) ->
    cancelled(Ref, Selects);
settle({_, cancel, _, _}, _Handle, _Answer, Selects) ->
    Selects;
settle({Pid, Class, Ref, Socket}, Handle, Answer, Selects) ->
    Slot = {Socket, slot(Class)},
    case state(Ref, Answer) of
        armed -> arm(Pid, Slot, Ref, Handle, over(Pid, Slot, Selects));
        over -> over(Pid, Slot, Selects);
        unchanged -> Selects
    end.

-spec slot(gosocket_wait:class()) -> atom().
slot(peek) -> read;
slot(Class) -> Class.

-spec arm(pid(), slot(), reference(), gosocket_handle:handle(), selects()) -> selects().
arm(Pid, Slot, Ref, Handle, #selects{slots = Slots} = Selects) ->
    Mine = maps:get(Pid, Slots, #{}),
    Selects#selects{slots = Slots#{Pid => Mine#{Slot => {Ref, Handle}}}, next = {Ref, Pid, Slot, Handle}}.

%% @doc Passes on the answer that was settled.
-spec send(pid(), Answer :: term(), selects()) -> selects().
send(To, Answer, #selects{next = none} = Selects) ->
    To ! Answer,
    Selects;
send(To, Answer, #selects{table = Table, next = Row} = Selects) ->
    undisturbed(),
    try ets:insert(Table, Row) of
        true ->
            To ! Answer,
            Selects#selects{next = none}
    catch
        error:badarg ->
            %% the lane is about to hear of it
            To ! Answer,
            Selects#selects{next = none}
    end.

-spec over(pid(), slot(), selects()) -> selects().
over(Pid, Slot, #selects{slots = Slots} = Selects) ->
    case Slots of
        #{Pid := #{Slot := {Ref, _}}} -> cancelled(Ref, Selects);
        _ -> Selects
    end.

%% There will be no message.
-spec cancelled(reference(), selects()) -> selects().
cancelled(Ref, #selects{table = Table} = Selects) ->
    try ets:take(Table, Ref) of
        Rows -> forget(Rows, Selects)
    catch
        error:badarg -> forget(rows(Ref, Selects), Selects)
    end.

%% @doc The process that the answer was for is dead.
-spec unsent(selects()) -> selects().
unsent(#selects{next = none} = Selects) -> Selects;
unsent(#selects{next = Row} = Selects) -> forget([Row], Selects#selects{next = none}).

%% @doc Sends the select's one message.
-spec fire(reference(), pid(), Message :: term(), selects()) -> selects().
fire(Ref, Pid, Message, #selects{table = Table} = Selects) ->
    case gosocket_nodes:route(Pid, Message) of
        {To, Routed} ->
            Rows = rows(Ref, Selects),
            take(Table, Ref, To, Routed),
            forget(Rows, Selects);
        none ->
            cancelled(Ref, Selects)
    end.

%% Takes the row and sends its message.
-spec take(ets:table(), reference(), pid(), Message :: term()) -> term().
take(Table, Ref, To, Message) ->
    undisturbed(),
    try ets:delete(Table, Ref) of
        true -> To ! Message
    catch
        error:badarg -> To ! Message
    end.

%% A process is scheduled out where its reductions are used up, at a send as at any call. There are some left for the next two calls, which
%% need no memory.
-spec undisturbed() -> term().
undisturbed() ->
    Now = reductions(),
    case get(?MODULE) of
        Since when is_integer(Since), Now - Since < ?USED_UP ->
            ok;
        _ ->
            erlang:yield(),
            put(?MODULE, reductions())
    end.

-spec reductions() -> non_neg_integer().
reductions() ->
    {reductions, Reductions} = erlang:process_info(self(), reductions),
    Reductions.

-spec forget([row()], selects()) -> selects().
forget([{_Ref, Pid, Slot, _Handle}], #selects{slots = Slots} = Selects) ->
    Mine = maps:remove(Slot, maps:get(Pid, Slots)),
    Selects#selects{slots = case map_size(Mine) of
                                0 -> maps:remove(Pid, Slots);
                                _ -> Slots#{Pid := Mine}
                            end};
forget([], Selects) ->
    Selects.

-spec rows(reference(), selects()) -> [row()].
rows(Ref, #selects{table = Table} = Selects) ->
    try
        ets:lookup(Table, Ref)
    catch
        error:badarg -> [Row || {Armed, _, _, _} = Row <- rows(Selects), Armed =:= Ref]
    end.

-spec rows(selects()) -> [row()].
rows(#selects{slots = Slots}) ->
    [{Ref, Pid, Slot, Handle} || {Pid, Mine} <- maps:to_list(Slots), {Slot, {Ref, Handle}} <- maps:to_list(Mine)].

-spec dead(pid(), selects()) -> selects().
dead(Pid, #selects{slots = Slots} = Selects) ->
    case Slots of
        #{Pid := Mine} ->
            #selects{slots = Others} = Rest =
                lists:foldl(fun({Ref, _}, Left) -> cancelled(Ref, Left) end, Selects, maps:values(Mine)),
            Rest#selects{slots = maps:remove(Pid, Others)};
        _ ->
            Selects
    end.

%% ---- Aborts

%% @doc Called by a lane that ends. There may be no table any more: who has ended with it sends nothing, then.
-spec abort_all(selects()) -> ok.
abort_all(#selects{table = Table} = Selects) ->
    lists:foreach(fun(Row) -> abort(Table, Row) end, rows(Selects)).

%% @doc Called by the owner of the table when the lane is gone: those that it has not sent itself.
-spec abort_rest(ets:table()) -> ok.
abort_rest(Table) ->
    lists:foreach(fun(Row) -> abort(Table, Row) end, ets:tab2list(Table)),
    true = ets:delete(Table),
    ok.

-spec abort(ets:table(), row()) -> term().
abort(Table, {Ref, Pid, _Slot, Handle}) ->
    case gosocket_nodes:route(Pid, {'$socket', {'$socket', Handle}, abort, {Ref, closed}}) of
        {To, Message} ->
            take(Table, Ref, To, Message);
        none ->
            its_node_has_seen_the_end
    end.

%% Only nowait calls, those with a reference, get a part of the result together with a select. Of data
%% only the length is looked at.
-spec state(Ref :: reference() | [], Answer :: binary()) -> armed | unchanged | over.
state(_, <<?ANSWER(_), 104, 2, 119, 6, "select", _/binary>>) ->
    armed;
state(Ref, <<?ANSWER(_), ?OK_HEAD, 104, 2, 109, Size:32, _:Size/binary, Info/binary>>) when Ref =/= [] ->
    info_state(Info);
state(Ref, <<?ANSWER(_), ?OK_HEAD, 104, 2, 97, _Remaining:8, Info/binary>>) when Ref =/= [] ->
    info_state(Info);
state(Ref, <<?ANSWER(_), ?OK_HEAD, 104, 2, 98, _Remaining:32, Info/binary>>) when Ref =/= [] ->
    info_state(Info);
state(_, <<?ANSWER(_), 104, 2, 119, 5, "error", _/binary>> = Answer) ->
    {_Id, {error, Reason}} = binary_to_term(Answer),
    error_state(Reason);
state(_, <<?ANSWER(_), 104, 2, 119, 5, "raise", _/binary>>) ->
    unchanged;
state(_, _) ->
    over.

-spec info_state(binary()) -> armed | over.
info_state(<<104, 3, 119, 11, "select_info", _/binary>>) -> armed;
info_state(_) -> over.

%% A second call of a process that waits already, or one that cannot be tried, leaves the first alone.
-spec error_state(Reason :: term()) -> unchanged | over.
error_state({Reason, _}) -> error_state(Reason);
error_state(ealready) -> unchanged;
error_state(einval) -> unchanged;
error_state(_) -> over.
