%% A model of the select book-keeping of one side of one socket: who is current, who waits, which message or answer is due.
%% What there is to be had (bytes, messages, connections, room) is a list of items; an item that a call takes is its result.
-module(gosocket_test_model).

-export([new/0, call/4, cancel/4, provide/2, finish/1, died/2, close/1]).
-export([inbox/2, read_inbox/2, is_blocked/2, is_known/2, waiting/1, select_of/2, is_ready/1, is_finished/1, is_plenty/1, is_cut/2]).

-export_type([model/0, due/0]).

-type process() :: term().
-type ref() :: reference().
-type item() :: term().
%% How many items a call takes, all there is for `all'; and what it has taken.
-type demand() :: {all | pos_integer(), [item()]}.
-type entry() :: {process(), {select, ref()} | {blocked, demand()}}.
-type message() :: {select, ref()} | {abort, ref(), Reason :: atom()}.
-type due() :: {process(), message() | {answer, result()}}.
-type result() :: {ok, [item()]} | {part, [item()]} | {error, atom(), [item()]} | select | raised.

-record(model,
        {items = [] :: [item()],
         ended = false :: boolean(),
         current = none :: none | entry() | {process(), {fired, ref()}},
         queue = [] :: [entry()],
         inbox = #{} :: #{process() => [message()]},
         due = [] :: [due()]}).

-opaque model() :: #model{}.

-spec new() -> model().
new() -> #model{}.

%% ---- what can be asked ----

%% What lies in the process's mailbox.
-spec inbox(process(), model()) -> [message()].
inbox(Process, #model{inbox = Inbox}) -> maps:get(Process, Inbox, []).

-spec read_inbox(process(), model()) -> model().
read_inbox(Process, #model{inbox = Inbox} = Model) -> Model#model{inbox = maps:remove(Process, Inbox)}.

-spec is_blocked(process(), model()) -> boolean().
is_blocked(Process, #model{current = {Process, {blocked, _}}}) -> true;
is_blocked(Process, #model{queue = Queue}) -> [ok || {Is, {blocked, _}} <- Queue, Is =:= Process] =/= [].

%% Whether it is current or waits.
-spec is_known(process(), model()) -> boolean().
is_known(Process, #model{current = {Process, _}}) -> true;
is_known(Process, #model{queue = Queue}) -> lists:keymember(Process, 1, Queue).

-spec waiting(model()) -> non_neg_integer().
waiting(#model{current = none}) -> 0;
waiting(#model{queue = Queue}) -> 1 + length(Queue).

-spec select_of(process(), model()) -> {ok, ref()} | none.
select_of(Process, #model{current = {Process, {_, Ref}}}) when is_reference(Ref) -> {ok, Ref};
select_of(Process, #model{queue = Queue}) ->
    case lists:keyfind(Process, 1, Queue) of
        {_, {select, Ref}} -> {ok, Ref};
        _ -> none
    end.

%% Whether a call would find something.
-spec is_ready(model()) -> boolean().
is_ready(#model{items = Items, ended = Ended}) -> Items =/= [] orelse Ended.

-spec is_finished(model()) -> boolean().
is_finished(#model{ended = Ended}) -> Ended.

%% More items would only make it slow.
-spec is_plenty(model()) -> boolean().
is_plenty(#model{items = Items}) -> length(Items) > 100.

%% Whether a call for so many items would find fewer and the end behind them.
-spec is_cut(all | pos_integer(), model()) -> boolean().
is_cut(Number, #model{ended = Ended, items = Items}) ->
    Ended andalso is_integer(Number) andalso Items =/= [] andalso length(Items) < Number.

%% ---- what can happen ----

%% A call of Process for Demand items. With `nowait' the select, if there is one, is Ref.
-spec call(process(), {nowait, ref()} | zero | infinity, all | pos_integer(), model()) -> {result() | waits, [due()], model()}.
call(Process, Mode, Demand, Model) ->
    case Model of
        #model{current = {Other, _}} when Other =/= Process ->
            settle(locked_out(Process, Mode, {Demand, []}, Model));
        #model{} ->
            settle(attempted(Process, Mode, take({Demand, []}, Model#model{current = none})))
    end.

-spec locked_out(process(), term(), demand(), model()) -> {result() | waits, model()}.
locked_out(Process, Mode, Demand, #model{queue = Queue} = Model) ->
    case {lists:keymember(Process, 1, Queue), Mode} of
        {true, {nowait, _}} -> {{error, ealready, []}, Model};
        {true, _} -> {raised, Model};
        {false, {nowait, Ref}} -> {select, Model#model{queue = Queue ++ [{Process, {select, Ref}}]}};
        {false, infinity} -> {waits, Model#model{queue = Queue ++ [{Process, {blocked, Demand}}]}};
        {false, zero} -> {{error, timeout, []}, Model}
    end.

-spec attempted(process(), term(), Taken) -> {result() | waits, model()} when
      Taken :: {done, [item()], model()} | {lacks, demand(), model()} | {failed, atom(), [item()], model()}.
attempted(_, _, {done, Items, Model}) ->
    {{ok, Items}, activate(Model)};
attempted(Process, {nowait, _} = Mode, {failed, closed, [_ | _] = Items, Model}) ->
    %% a part is told before the end behind it
    attempted(Process, Mode, {lacks, {all, Items}, Model});
attempted(_, _, {failed, Reason, Items, Model}) ->
    {{error, Reason, Items}, abort_all(Reason, Model)};
attempted(Process, {nowait, Ref}, {lacks, {_, []}, Model}) ->
    {select, Model#model{current = {Process, {select, Ref}}}};
attempted(Process, {nowait, Ref}, {lacks, {_, Items}, Model}) ->
    {{part, Items}, wake(Model#model{current = {Process, {select, Ref}}})};
attempted(Process, infinity, {lacks, Demand, Model}) ->
    {waits, Model#model{current = {Process, {blocked, Demand}}}};
attempted(_, zero, {lacks, {_, Items}, Model}) ->
    {{error, timeout, Items}, activate(Model)}.

%% A cancel by a process of a select of another or its own.
-spec cancel(By :: process(), Of :: process(), ref(), model()) -> {ok | {error, einval}, [due()], model()}.
cancel(By, Of, Ref, #model{current = {Of, {Kind, Ref}}} = Model) when Kind =:= select; Kind =:= fired ->
    settle({ok, activate((forget(By, Ref, Model))#model{current = none})});
cancel(Process, Process, Ref, #model{queue = Queue} = Model) ->
    case lists:member({Process, {select, Ref}}, Queue) of
        true -> {ok, [], Model#model{queue = lists:keydelete(Process, 1, Queue)}};
        false -> {{error, einval}, [], Model}
    end;
cancel(_, _, _, Model) ->
    {{error, einval}, [], Model}.

%% Nothing stays in the mailbox of a process that has cancelled itself.
-spec forget(process(), ref(), model()) -> model().
forget(Process, Ref, #model{inbox = Inbox} = Model) ->
    Model#model{inbox = Inbox#{Process => inbox(Process, Model) -- [{select, Ref}]}}.

%% More items come.
-spec provide([item()], model()) -> {[due()], model()}.
provide(Items, #model{items = There} = Model) ->
    {ok, Due, Model1} = settle({ok, wake(Model#model{items = There ++ Items})}),
    {Due, Model1}.

%% No more items will come: end of a stream.
-spec finish(model()) -> {[due()], model()}.
finish(Model) ->
    {ok, Due, Model1} = settle({ok, wake(Model#model{ended = true})}),
    {Due, Model1}.

%% What a dead process had gathered is there for the next.
-spec died(process(), model()) -> {[due()], model()}.
died(Process, #model{items = Items, current = Current, queue = Queue, inbox = Inbox} = Model) ->
    Left = Model#model{items = gathered(Current, Process) ++ Items, queue = lists:keydelete(Process, 1, Queue),
                       inbox = maps:remove(Process, Inbox)},
    {ok, Due, Model1} = settle({ok, case Current of
                                        {Process, _} -> activate(Left#model{current = none});
                                        _ -> Left
                                    end}),
    {Due, Model1}.

-ifdef(REFERENCE).
-spec gathered(term(), process()) -> [item()].
gathered(_, _) -> [].
-else.
-spec gathered(term(), process()) -> [item()].
gathered({Process, {blocked, {_, Taken}}}, Process) -> Taken;
gathered(_, _) -> [].
-endif.

%% Whose select message is out gets no abort.
-spec close(model()) -> {[due()], model()}.
close(#model{current = Current, queue = Queue} = Model) ->
    Waiting = case Current of
                  none -> [];
                  {_, {fired, _}} -> Queue;
                  _ -> [Current | Queue]
              end,
    {ok, Due, Model1} = settle({ok, abort_all(closed, Model#model{queue = Waiting})}),
    {Due, Model1}.

%% ---- how it goes on ----

%% Dues gather newest first.
-spec settle({Result, model()}) -> {Result, [due()], model()}.
settle({Result, #model{due = Due} = Model}) ->
    {Result, lists:reverse(Due), Model#model{due = []}}.

-spec take(demand(), model()) -> {done, [item()], model()} | {lacks, demand(), model()} | {failed, atom(), [item()], model()}.
take({all, []}, #model{items = [_ | _] = Items} = Model) ->
    {done, Items, Model#model{items = []}};
take({Number, Taken}, #model{items = Items} = Model) when is_integer(Number), length(Taken) + length(Items) >= Number ->
    {Now, Rest} = lists:split(Number - length(Taken), Items),
    {done, Taken ++ Now, Model#model{items = Rest}};
take({_, Taken}, #model{items = Items, ended = true} = Model) ->
    {failed, closed, Taken ++ Items, Model#model{items = []}};
take({Number, Taken}, #model{items = Items} = Model) ->
    {lacks, {Number, Taken ++ Items}, Model#model{items = []}}.

%% Something has come for the current one.
-spec wake(model()) -> model().
wake(#model{current = {Process, {select, Ref}}} = Model) ->
    case is_ready(Model) of
        true -> message(Process, {select, Ref}, Model#model{current = {Process, {fired, Ref}}});
        false -> Model
    end;
wake(#model{current = {Process, {blocked, Demand}}} = Model) ->
    case take(Demand, Model#model{current = none}) of
        {done, Items, Left} -> activate(answer(Process, {ok, Items}, Left));
        {lacks, More, Left} -> Left#model{current = {Process, {blocked, More}}};
        {failed, Reason, Items, Left} -> abort_all(Reason, answer(Process, {error, Reason, Items}, Left))
    end;
wake(Model) ->
    Model.

%% The next in the queue becomes current.
-spec activate(model()) -> model().
activate(#model{queue = [Next | Queue]} = Model) -> wake(Model#model{current = Next, queue = Queue});
activate(#model{queue = []} = Model) -> Model#model{current = none}.

-spec abort_all(atom(), model()) -> model().
abort_all(Reason, #model{queue = Queue} = Model) ->
    lists:foldl(fun({Process, {select, Ref}}, To) -> message(Process, {abort, Ref, Reason}, To);
                   ({Process, {blocked, {_, Taken}}}, To) -> answer(Process, {error, Reason, Taken}, To)
                end, Model#model{current = none, queue = []}, Queue).

-spec message(process(), message(), model()) -> model().
message(Process, Message, #model{inbox = Inbox, due = Due} = Model) ->
    Model#model{inbox = Inbox#{Process => inbox(Process, Model) ++ [Message]}, due = [{Process, Message} | Due]}.

-spec answer(process(), result(), model()) -> model().
answer(Process, Result, #model{due = Due} = Model) ->
    Model#model{due = [{Process, {answer, Result}} | Due]}.
