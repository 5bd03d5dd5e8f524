%% @private
%% @doc The armed selects of a lane. They stand in a table of the guardian's, which outlives the lane,
%% under their reference; the lane keeps them by process and slot as well. A process has at most one
%% select for each slot: arming another one there replaces it.
-module(gosocket_selects).

-export([new/1,
         is_empty/1,
         settle/5,
         fired/2,
         dead/2]).

-export_type([selects/0, slot/0]).

-record(selects,
        {table :: ets:table(),
         slots = #{} :: #{pid() => #{slot() => reference()}}}).

-type slot() :: {Socket :: non_neg_integer(), Class :: atom()}.
-opaque selects() :: #selects{}.

-spec new(ets:table()) -> selects().
new(Table) ->
    #selects{table = Table}.

-spec is_empty(selects()) -> boolean().
is_empty(#selects{slots = Slots}) ->
    map_size(Slots) =:= 0.

%% @doc The answer of a call tells what it did to the process's select in this slot. To be called before
%% the answer is passed on: the abort of a select nobody has heard of does less harm than none.
-spec settle(pid(), slot(), Ref :: reference() | [], Armed, selects()) -> selects() when
      Armed :: {armed, gosocket:socket()} | unchanged | over.
settle(Pid, Slot, Ref, {armed, Socket}, Selects) ->
    #selects{table = Table, slots = Slots} = Selects1 = over(Pid, Slot, Selects),
    ets:insert(Table, {Ref, Pid, Slot, Socket}),
    Mine = maps:get(Pid, Slots, #{}),
    Selects1#selects{slots = Slots#{Pid => Mine#{Slot => Ref}}};
settle(_Pid, _Slot, _Ref, unchanged, Selects) ->
    Selects;
settle(Pid, Slot, _Ref, over, Selects) ->
    over(Pid, Slot, Selects).

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
            [ets:delete(Table, Ref) || Ref <- maps:values(Mine)],
            Selects#selects{slots = Rest};
        error ->
            Selects
    end.
