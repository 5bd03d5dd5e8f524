%% @private
%% @doc The armed selects of a lane. They stand in a table of the guardian's, which outlives the lane,
%% under their reference; the lane keeps them by process and slot as well. A process has at most one
%% select in each slot: arming another one there replaces it.
-module(gosocket_selects).

-export([new/1,
         is_empty/1,
         is_armed/2,
         settle/4,
         fired/2,
         dead/2]).

-include("gosocket.hrl").

-export_type([selects/0]).

-record(selects,
        {table :: ets:table(),
         slots = #{} :: #{pid() => #{slot() => reference()}}}).

-type slot() :: {socket_id(), read | write | accept | connect | atom()}.
-type call() :: {pid(), gosocket_wait:class(), Ref :: reference() | [], socket_id()}.
%% The helper's number, or for sockets of another node the handle.
-type socket_id() :: non_neg_integer() | gosocket_handle:handle().
-opaque selects() :: #selects{}.

-spec new(ets:table()) -> selects().
new(Table) ->
    #selects{table = Table}.

-spec is_empty(selects()) -> boolean().
is_empty(#selects{slots = Slots}) ->
    map_size(Slots) =:= 0.

-spec is_armed(reference(), selects()) -> boolean().
is_armed(Ref, #selects{table = Table}) ->
    ets:member(Table, Ref).

%% @doc What the answer of a call did to its process's select. To be called before the answer is passed
%% on: should the lane be killed, an abort of a select nobody has heard of does less harm than none.
-spec settle(call(), gosocket_handle:handle(), Answer :: binary(), selects()) -> selects().
settle({_, cancel, Ref, _}, _Handle, <<?ANSWER(_), ?OK>>, Selects) ->
    fired(Ref, Selects);
settle({_, cancel, _, _}, _Handle, _Answer, Selects) ->
    Selects;
settle({Pid, Class, Ref, Socket}, Handle, Answer, Selects) ->
    Slot = {Socket, slot(Class)},
    case state(Ref, Answer) of
        armed -> arm(Pid, Slot, Ref, {'$socket', Handle}, over(Pid, Slot, Selects));
        over -> over(Pid, Slot, Selects);
        unchanged -> Selects
    end.

-spec slot(gosocket_wait:class()) -> atom().
slot(peek) -> read;
slot(Class) -> Class.

-spec arm(pid(), slot(), reference(), {'$socket', gosocket_handle:handle()}, selects()) -> selects().
arm(Pid, Slot, Ref, Socket, #selects{table = Table, slots = Slots} = Selects) ->
    ets:insert(Table, {Ref, Pid, Slot, Socket}),
    Mine = maps:get(Pid, Slots, #{}),
    Selects#selects{slots = Slots#{Pid => Mine#{Slot => Ref}}}.

-spec over(pid(), slot(), selects()) -> selects().
over(Pid, Slot, #selects{slots = Slots} = Selects) ->
    case Slots of
        #{Pid := #{Slot := Ref}} -> fired(Ref, Selects);
        _ -> Selects
    end.

%% @doc The select's one message is sent, or was cancelled.
-spec fired(term(), selects()) -> selects().
fired(Ref, #selects{table = Table, slots = Slots} = Selects) ->
    case ets:take(Table, Ref) of
        [{Ref, Pid, Slot, _Socket}] ->
            Mine = maps:remove(Slot, maps:get(Pid, Slots)),
            Selects#selects{slots = case map_size(Mine) of
                                        0 -> maps:remove(Pid, Slots);
                                        _ -> Slots#{Pid := Mine}
                                    end};
        [] ->
            Selects
    end.

-spec dead(pid(), selects()) -> selects().
dead(Pid, #selects{table = Table, slots = Slots} = Selects) ->
    case maps:take(Pid, Slots) of
        {Mine, Rest} ->
            lists:foreach(fun(Ref) -> ets:delete(Table, Ref) end, maps:values(Mine)),
            Selects#selects{slots = Rest};
        error ->
            Selects
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
