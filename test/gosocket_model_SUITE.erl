%% Random calls of twenty processes on shared sockets of each kind, one after the other, against a model of the select
%% book-keeping. GOSOCKET_MODEL_SEED and GOSOCKET_MODEL_CALLS repeat or lengthen a run.
-module(gosocket_model_SUITE).

-export([
    stream_readers_follow_the_model/1,
    datagram_readers_follow_the_model/1,
    message_readers_follow_the_model/1,
    acceptors_follow_the_model/1,
    writers_follow_the_model/1
]).

-define(OURS, []).
-include("gosocket_test.hrl").

-define(CALLS, 20000).
-define(PROCESSES, 20).

%% What is the same for a kind: how to make its sockets, how to call, how to bring items.
-record(kind,
        {name :: atom(),
         make :: fun(() -> {socket(), Peer :: term(), Items :: [term()]}),
         call :: fun((socket(), all | pos_integer(), timeout() | nowait) -> term()),
         demands = [1] :: [all | pos_integer()],
         provide :: fun((Peer :: term()) -> Items :: [term()]),
         %% whether the peer can end the stream
         ends = false :: boolean(),
         parked :: num_readers | num_writers | num_acceptors}).

-record(run,
        {kind :: #kind{},
         socket :: undefined | socket(),
         peer :: term(),
         actors :: [pid()],
         %% answers that blocked actors owe
         pending = #{} :: #{pid() => {pid(), reference()}},
         %% selects that are no more
         stale = [] :: [reference()],
         model = gosocket_test_model:new() :: gosocket_test_model:model(),
         trace = [] :: [term()]}).

%% ---- the kinds ----

-spec stream_readers_follow_the_model(config()) -> term().
stream_readers_follow_the_model(_) ->
    follow(#kind{name = stream, ends = true, parked = num_readers, demands = [all, 1, 2, 5],
                 make = fun() -> {A, B} = pair({local, stream}), {B, A, []} end,
                 call = fun(Socket, Demand, Timeout) -> ?S:recv(Socket, length_of(Demand), Timeout) end,
                 provide = fun(Peer) ->
                     Bytes = [rand:uniform(256) - 1 || _ <- lists:seq(1, rand:uniform(4))],
                     ok = ?S:send(Peer, Bytes),
                     Bytes
                 end}).

-spec length_of(all | pos_integer()) -> non_neg_integer().
length_of(all) -> 0;
length_of(Number) -> Number.

-spec datagram_readers_follow_the_model(config()) -> term().
datagram_readers_follow_the_model(_) ->
    follow(messages(datagram, {local, dgram}, fun(Socket, Timeout) -> ?S:recvfrom(Socket, 0, Timeout) end)).

-spec message_readers_follow_the_model(config()) -> term().
message_readers_follow_the_model(_) ->
    follow(messages(seqpacket, {local, seqpacket}, fun(Socket, Timeout) -> ?S:recvmsg(Socket, [], Timeout) end)).

-spec messages(atom(), gosocket_test_net:kind(), fun((socket(), timeout() | nowait) -> term())) -> #kind{}.
messages(Name, Kind, Receive) ->
    #kind{name = Name, parked = num_readers,
          make = fun() -> {A, B} = pair(Kind), {B, A, []} end,
          call = fun(Socket, 1, Timeout) -> Receive(Socket, Timeout) end,
          provide = fun(Peer) ->
              Data = integer_to_binary(rand:uniform(1000000)),
              ok = ?S:send(Peer, Data),
              [Data]
          end}.

%% A client's connection waits for the acceptor though the client is gone again.
-spec acceptors_follow_the_model(config()) -> term().
acceptors_follow_the_model(_) ->
    follow(#kind{name = accept, parked = num_acceptors,
                 make = fun() -> Listener = listener({local, stream}), {Listener, local_address(Listener), []} end,
                 call = fun(Listener, 1, Timeout) -> accept_and_close(?S:accept(Listener, Timeout)) end,
                 provide = fun(Address) ->
                     Client = unconnected({local, stream}),
                     ok = ?S:connect(Client, Address),
                     close(Client),
                     [connection]
                 end}).

-spec accept_and_close({ok, socket()} | term()) -> term().
accept_and_close({ok, Socket}) ->
    close(Socket),
    {ok, [connection]};
accept_and_close(Other) ->
    Other.

%% A local datagram socket that is not connected back takes so many messages and no more (unix(7): max_dgram_qlen); each
%% that is received makes room for another.
-spec writers_follow_the_model(config()) -> term().
writers_follow_the_model(_) ->
    follow(#kind{name = send, parked = num_writers,
                 make = fun() ->
                     A = unconnected({local, dgram}),
                     B = bound({local, dgram}),
                     ok = ?S:connect(A, local_address(B)),
                     Room = fill(A) div 4096,
                     drain(B, Room * 4096),
                     {A, B, lists:duplicate(Room, room)}
                 end,
                 call = fun(Socket, 1, Timeout) -> sent(?S:send(Socket, <<"x">>, Timeout)) end,
                 provide = fun(Peer) ->
                     case ?S:recv(Peer, 0, 0) of
                         {ok, <<"x">>} -> [room];
                         {error, timeout} -> []
                     end
                 end}).

-spec sent(term()) -> term().
sent(ok) -> {ok, [room]};
sent({error, {Reason, 1}}) -> {error, Reason};
sent(Other) -> Other.

%% ---- a run ----

-spec follow(#kind{}) -> ok.
follow(#kind{name = Name} = Kind) ->
    Seed = list_to_integer(os:getenv("GOSOCKET_MODEL_SEED", integer_to_list(erlang:unique_integer() + os:system_time()))),
    Calls = list_to_integer(os:getenv("GOSOCKET_MODEL_CALLS", integer_to_list(?CALLS))),
    ct:timetrap({seconds, 60 + Calls div 100}),
    io:format(user, "~s: ~b calls, GOSOCKET_MODEL_SEED=~b~n", [Name, Calls, Seed]),
    _ = rand:seed(exsplus, Seed),
    Run = fresh(#run{kind = Kind, actors = [actor() || _ <- lists:seq(1, ?PROCESSES)]}),
    #run{actors = Actors} = renew(steps(Calls, Run)),
    lists:foreach(fun gosocket_test_lib:kill/1, Actors).

-spec fresh(#run{}) -> #run{}.
fresh(#run{kind = #kind{make = Make}} = Run) ->
    {Socket, Peer, Items} = Make(),
    {[], Model} = gosocket_test_model:provide(Items, gosocket_test_model:new()),
    Run#run{socket = Socket, peer = Peer, model = Model, stale = [], trace = []}.

%% Everybody is told, everything due has come, and a new socket takes the place of the old.
-spec renew(#run{}) -> #run{}.
renew(#run{socket = Socket, peer = Peer, model = Model} = Run) ->
    ok = settle(Socket),
    ok = ?S:close(Socket),
    Closed = swept(come(gosocket_test_model:close(Model), Run)),
    [close(Peer) || is_tuple(Peer)],
    fresh(Closed).

%% A reader that gathers, or that has just got its turn, has read what there is. That is so one round trip after the answer
%% to the call that gave it its turn, for it may wait until the answer is confirmed, and two round trips after the peer's
%% send: requests go before sockets whenever the helper looks.
-spec settle(socket()) -> ok.
settle(Socket) ->
    lists:foreach(fun(_) -> {ok, _} = ?S:getopt(Socket, socket, type) end, [1, 2, 3]).

-spec steps(non_neg_integer(), #run{}) -> #run{}.
steps(0, Run) ->
    Run;
steps(Left, Run) ->
    Action = action(rand:uniform(1000), Run),
    Next = try
               step(Action, Run)
           catch
               Class:Reason:Stack ->
                   ct:pal("behind ~p", [lists:sublist([Action | Run#run.trace], 30)]),
                   erlang:raise(Class, Reason, Stack)
           end,
    steps(Left - 1, Next#run{trace = lists:sublist([Action | Next#run.trace], 30)}).

-spec action(1..1000, #run{}) -> tuple().
action(N, #run{kind = #kind{demands = Demands}} = Run) when N =< 560 ->
    Mode = lists:nth(1 + rand:uniform(10) rem 4, [nowait, nowait, 0, infinity]),
    {call, any_free(Run), Mode, any(Demands)};
action(N, Run) when N =< 660 -> {cancel_own, any_free(Run)};
action(N, Run) when N =< 690 -> {cancel_of_another, any_free(Run), any(Run#run.actors)};
action(N, Run) when N =< 700 -> {cancel_stale, any_free(Run)};
action(N, _) when N =< 970 -> {provide};
action(N, Run) when N =< 980 -> {kill, any(Run#run.actors)};
action(N, _) when N =< 990 -> {sweep};
action(N, #run{kind = #kind{ends = true}}) when N =< 995 -> {finish};
action(_, _) -> {renew}.

-spec any([Element]) -> Element.
any(List) ->
    lists:nth(rand:uniform(length(List)), List).

%% At least one is: of those that wait for ever there are fewer than processes.
-spec any_free(#run{}) -> pid().
any_free(#run{actors = Actors, pending = Pending} = Run) ->
    case [Actor || Actor <- Actors, not maps:is_key(Actor, Pending)] of
        [] -> throw({everybody_waits, Run#run.trace});
        Free -> any(Free)
    end.

%% ---- steps ----

-spec step(tuple(), #run{}) -> #run{}.
step({call, Actor, infinity, Demand}, #run{pending = Pending} = Run) when map_size(Pending) < ?PROCESSES div 2 ->
    blocking(may_call(Actor, Run) andalso may_block(Actor, Run), Actor, Demand, Run);
step({call, _, infinity, _}, Run) ->
    Run;
step({call, Actor, Mode, Demand}, Run) ->
    called(may_call(Actor, Run) andalso is_clear(Mode, Demand, Run), Actor, Mode, Demand, Run);
step({cancel_own, Actor}, Run) ->
    cancelled(Actor, Actor, gosocket_test_model:select_of(Actor, Run#run.model), Run);
step({cancel_of_another, Actor, Of}, #run{model = Model} = Run) ->
    case may_cancel_what_is_not_its_own(Actor, Run) of
        true -> cancelled(Actor, Of, gosocket_test_model:select_of(Of, Model), Run);
        false -> Run
    end;
step({cancel_stale, Actor}, #run{stale = Stale} = Run) ->
    case Stale =/= [] andalso may_cancel_what_is_not_its_own(Actor, Run) of
        true -> cancelled(Actor, Actor, {ok, any(Stale)}, Run);
        false -> Run
    end;
step({provide}, #run{kind = #kind{provide = Provide}, peer = Peer, model = Model} = Run) ->
    case gosocket_test_model:is_finished(Model) orelse gosocket_test_model:is_plenty(Model) of
        true -> Run;
        false -> come(gosocket_test_model:provide(Provide(Peer), Model), Run)
    end;
step({finish}, #run{peer = Peer, model = Model} = Run) ->
    ok = ?S:shutdown(Peer, write),
    come(gosocket_test_model:finish(Model), Run);
step({kill, Actor}, #run{actors = Actors, pending = Pending, model = Model} = Run) ->
    kill(Actor),
    {Due, Left} = gosocket_test_model:died(Actor, Model),
    ok = await_parked(Run#run.socket, Run#run.kind#kind.parked, gosocket_test_model:waiting(Left)),
    come({Due, Left}, Run#run{actors = [actor() | lists:delete(Actor, Actors)], pending = maps:remove(Actor, Pending)});
step({sweep}, Run) ->
    swept(Run);
step({renew}, Run) ->
    renew(Run).

%% Where this application and the reference differ, or both leave it open, nobody calls: an acceptor that asks again.
-spec may_call(pid(), #run{}) -> boolean().
may_call(Actor, #run{kind = #kind{name = accept}, model = Model}) -> not gosocket_test_model:is_known(Actor, Model);
may_call(_, _) -> true.

%% In the reference a message of the select that a waiting call replaces may still come.
-spec may_block(pid(), #run{}) -> boolean().
may_block(Actor, #run{model = Model}) ->
    not (?REFERENCE_RUN andalso gosocket_test_model:is_known(Actor, Model)).

%% With a time-out of 0 it is open whether the end is looked for behind a part.
-spec is_clear(nowait | 0, all | pos_integer(), #run{}) -> boolean().
is_clear(Timeout, Demand, #run{model = Model}) ->
    Timeout =:= nowait orelse not gosocket_test_model:is_cut(Demand, Model).

%% The reference looks for the caller in the queue, not for the reference that it names.
-spec may_cancel_what_is_not_its_own(pid(), #run{}) -> boolean().
may_cancel_what_is_not_its_own(Actor, #run{model = Model}) ->
    not (?REFERENCE_RUN andalso gosocket_test_model:is_known(Actor, Model)).

-spec blocking(boolean(), pid(), all | pos_integer(), #run{}) -> #run{}.
blocking(false, _, _, Run) ->
    Run;
blocking(true, Actor, Demand, #run{kind = #kind{call = Call}, socket = Socket, model = Model} = Run) ->
    Emptied = emptied(Actor, Run),
    Pending = cast(Actor, fun() -> outcome(fun() -> Call(Socket, Demand, infinity) end) end),
    case gosocket_test_model:call(Actor, infinity, Demand, Emptied#run.model) of
        {waits, Due, After} ->
            ok = await_parked(Socket, Run#run.kind#kind.parked, gosocket_test_model:waiting(After)),
            come({Due, After}, Emptied#run{pending = (Emptied#run.pending)#{Actor => Pending}});
        {Expected, Due, After} ->
            ?assertEqual(Expected, plain(answer(Pending))),
            come({Due, After}, replaced(Actor, Model, After, Emptied))
    end.

-spec called(boolean(), pid(), nowait | 0, all | pos_integer(), #run{}) -> #run{}.
called(false, _, _, _, Run) ->
    Run;
called(true, Actor, Timeout, Demand, #run{kind = #kind{call = Call}, socket = Socket, model = Model} = Run) ->
    Emptied = emptied(Actor, Run),
    Actual = run(Actor, fun() -> outcome(fun() -> Call(Socket, Demand, Timeout) end) end),
    Mode = case Timeout of
               nowait -> {nowait, ref_of(Actual)};
               0 -> zero
           end,
    {Expected, Due, After} = gosocket_test_model:call(Actor, Mode, Demand, Emptied#run.model),
    ?assertEqual(Expected, plain(Actual)),
    come({Due, After}, replaced(Actor, Model, After, Emptied)).

%% A select that a later call replaced or ended is good for nothing.
-spec replaced(pid(), Before, After, #run{}) -> #run{} when
      Before :: gosocket_test_model:model(), After :: gosocket_test_model:model().
replaced(Actor, Before, After, #run{stale = Stale} = Run) ->
    case {gosocket_test_model:select_of(Actor, Before), gosocket_test_model:select_of(Actor, After)} of
        {Same, Same} -> Run;
        {{ok, Ref}, _} -> Run#run{stale = [Ref | lists:sublist(Stale, 20)]};
        _ -> Run
    end.

-spec cancelled(pid(), pid(), {ok, reference()} | none, #run{}) -> #run{}.
cancelled(_, _, none, Run) ->
    Run;
cancelled(By, Of, {ok, Ref}, #run{kind = #kind{parked = Parked}, socket = Socket, model = Model, stale = Stale} = Run) ->
    {Expected, Due, After} = gosocket_test_model:cancel(By, Of, Ref, Model),
    ?assertEqual(Expected, run(By, fun() -> ?S:cancel(Socket, {select_info, tag(Parked), Ref}) end)),
    come({Due, After}, Run#run{stale = [Ref || Expected =:= ok] ++ lists:sublist(Stale, 20)}).

-spec tag(atom()) -> atom().
tag(num_readers) -> recv;
tag(num_writers) -> send;
tag(num_acceptors) -> accept.

%% ---- what is due, and nothing else ----

-spec come({[gosocket_test_model:due()], gosocket_test_model:model()}, #run{}) -> #run{}.
come({Due, Model}, Run) ->
    lists:foldl(fun came/2, Run#run{model = Model}, Due).

-spec came(gosocket_test_model:due(), #run{}) -> #run{}.
came({Actor, {answer, Expected}}, #run{pending = Pending} = Run) ->
    {Answer, Left} = maps:take(Actor, Pending),
    ?assertEqual(Expected, plain(answer(Answer))),
    Run#run{pending = Left};
came({Actor, Message}, #run{socket = Socket} = Run) ->
    ok = run(Actor, fun() -> await(Message, Socket) end),
    Run.

%% Leaves the message in the mailbox, behind those that came before: one process has one select only.
-spec await({select, reference()} | {abort, reference(), atom()}, socket()) -> ok.
await({select, Ref}, Socket) ->
    ok = await_select(Socket, {select_info, any, Ref}),
    self() ! {'$socket', Socket, select, Ref},
    ok;
await({abort, Ref, Reason}, Socket) ->
    ok = await_abort(Socket, {select_info, any, Ref}, Reason),
    self() ! {'$socket', Socket, abort, {Ref, Reason}},
    ok.

%% The messages of this process, left where they are. Of another socket there is none.
-spec mailbox(socket()) -> [tuple()].
mailbox(Socket) ->
    ok = gosocket_test_lib:fetch_messages(),
    {messages, Messages} = erlang:process_info(self(), messages),
    [case Message of
         {'$socket', Socket, select, Ref} -> {select, Ref};
         {'$socket', Socket, abort, {Ref, Reason}} -> {abort, Ref, Reason};
         _ -> {stray, Message}
     end || Message <- Messages, element(1, Message) =:= '$socket'].

-spec emptied(pid(), #run{}) -> #run{}.
emptied(Actor, #run{socket = Socket, model = Model} = Run) ->
    Mailbox = run(Actor, fun() -> Mailbox = mailbox(Socket), ok = forget(length(Mailbox)), Mailbox end),
    ?assertEqual(gosocket_test_model:inbox(Actor, Model), Mailbox),
    Run#run{model = gosocket_test_model:read_inbox(Actor, Model)}.

-spec forget(non_neg_integer()) -> ok.
forget(0) -> ok;
forget(Left) -> receive {'$socket', _, _, _} -> forget(Left - 1) end.

-spec swept(#run{}) -> #run{}.
swept(#run{actors = Actors, pending = Pending} = Run) ->
    lists:foldl(fun emptied/2, Run, [Actor || Actor <- Actors, not maps:is_key(Actor, Pending)]).

%% ---- results as the model has them ----

-spec plain(term()) -> term().
plain({error, ealready}) -> raised;
plain({returned, {ok, {_, Data}}}) when is_binary(Data) -> {ok, [Data]};
plain({returned, {ok, #{iov := Iov}}}) -> {ok, Iov};
plain({returned, {ok, {Data, {select_info, _, _}}}}) -> {part, items(Data)};
plain({returned, {ok, Data}}) -> {ok, items(Data)};
plain({returned, {select, _}}) -> select;
plain({returned, {error, {Reason, Data}}}) -> {error, Reason, items(Data)};
plain({returned, {error, Reason}}) -> {error, Reason, []}.

-spec items(binary() | [term()]) -> [term()].
items(Data) when is_binary(Data) -> binary_to_list(Data);
items(Items) -> Items.

-spec ref_of(term()) -> reference().
ref_of({returned, {select, {select_info, _, Ref}}}) -> Ref;
ref_of({returned, {ok, {_, {select_info, _, Ref}}}}) -> Ref;
ref_of(_) -> make_ref().
