%% Asynchronous calls: what ends a select, writers, and calls of several kinds at once.
-module(gosocket_select_SUITE).

-export([
    end_of_stream_aborts_the_queued_readers/1,
    reset_aborts_the_queued_readers/1,
    end_of_stream_fires_the_select_of_the_current_reader/1,
    shutdown_fires_the_select_of_the_current_reader/1,
    shutdown_fires_the_select_of_the_current_acceptor/1,
    tuple_rcvbuf_returns_after_every_read/1,
    full_socket_selects_the_writer_when_there_is_room/1,
    writers_are_selected_one_after_the_other/1,
    write_error_aborts_the_queued_writers/1,
    datagram_writer_is_selected_when_the_peer_reads/1,
    timeout_leaves_the_queue_without_messages/1,
    pending_accept_and_recv_exclude_each_other/1,
    ping_pong_by_selects_moves_everything/1,
    a_thousand_selects_fire_once_each/1,
    who_is_killed_has_told_of_a_select_or_left_it_to_others/1
]).

-define(OURS, [who_is_killed_has_told_of_a_select_or_left_it_to_others]).
-include("gosocket_test.hrl").

%% Selects that a process has when it is killed, and the reductions that the VM gives a process at a time.
-define(ARMED, 100).
-define(REDUCTIONS, 4000).

%% ---- ends ----

-spec end_of_stream_aborts_the_queued_readers(config()) -> term().
end_of_stream_aborts_the_queued_readers(_) ->
    aborts_the_queued_readers(fun gosocket_test_net:close/1, closed).

-spec reset_aborts_the_queued_readers(config()) -> term().
reset_aborts_the_queued_readers(_) ->
    aborts_the_queued_readers(fun gosocket_test_net:reset/1, econnreset).

-spec aborts_the_queued_readers(fun((socket()) -> ok), term()) -> ok.
aborts_the_queued_readers(End, Reason) ->
    {A, B} = pair({inet, stream}),
    {select, SelectInfo} = ?S:recv(B, 0, nowait),
    Actors = [actor() || _ <- [1, 2, 3]],
    Queued = [{Actor, run(Actor, fun() -> {select, Info} = ?S:recv(B, 0, nowait), Info end)} || Actor <- Actors],
    ok = End(A),
    await_select(B, SelectInfo),
    [ok = run(Actor, fun() -> no_messages(B) end) || Actor <- Actors],
    ?assertEqual({error, Reason}, ?S:recv(B, 0, nowait)),
    [?assertEqual(ok, run(Actor, fun() -> await_abort(B, Info, Reason) end)) || {Actor, Info} <- Queued],
    ?assertMatch(#{num_readers := 0}, ?S:info(B)),
    [kill(Actor) || Actor <- Actors],
    close(B).

-spec end_of_stream_fires_the_select_of_the_current_reader(config()) -> term().
end_of_stream_fires_the_select_of_the_current_reader(_) ->
    [begin
         {A, B} = pair(Kind),
         {select, SelectInfo} = ?S:recv(B, 0, nowait),
         close(A),
         await_select(B, SelectInfo),
         ?assertEqual({error, closed}, ?S:recv(B, 0, nowait)),
         no_messages(B),
         close(B)
     end || Kind <- stream_kinds()].

-spec shutdown_fires_the_select_of_the_current_reader(config()) -> term().
shutdown_fires_the_select_of_the_current_reader(_) ->
    {A, B} = pair({inet, stream}),
    {select, SelectInfo} = ?S:recv(B, 0, nowait),
    ok = ?S:shutdown(B, read),
    await_select(B, SelectInfo),
    ?assertEqual({error, closed}, ?S:recv(B, 0, nowait)),
    close({A, B}).

-spec shutdown_fires_the_select_of_the_current_acceptor(config()) -> term().
shutdown_fires_the_select_of_the_current_acceptor(_) ->
    Listener = listener({inet, stream}),
    {select, SelectInfo} = ?S:accept(Listener, nowait),
    ok = ?S:shutdown(Listener, read_write),
    await_select(Listener, SelectInfo),
    ?assertEqual({error, einval}, ?S:accept(Listener, nowait)),
    ?assertMatch(#{counters := #{acc_fails := 1}}, ?S:info(Listener)),
    close(Listener).

-spec tuple_rcvbuf_returns_after_every_read(config()) -> term().
tuple_rcvbuf_returns_after_every_read(_) ->
    {A, B} = pair({local, stream}),
    ok = ?S:setopt(B, otp, rcvbuf, {3, 1000}),
    ok = ?S:send(A, binary:copy(<<"x">>, 2500)),
    [begin
         {ok, Data} = ?S:recv(B, 0, nowait),
         ?assertEqual(Size, byte_size(Data)),
         ?assertMatch(#{num_readers := Readers}, ?S:info(B))
     end || {Size, Readers} <- [{1000, 1}, {1000, 1}, {500, 0}]],
    close({A, B}).

%% ---- writers ----

-spec full_socket_selects_the_writer_when_there_is_room(config()) -> term().
full_socket_selects_the_writer_when_there_is_room(_) ->
    {A, B} = small_pair({local, stream}),
    {Taken, SelectInfo} = block(A),
    no_messages(A),
    drain(B, Taken),
    await_select(A, SelectInfo),
    ?assertMatch(#{num_writers := 1}, ?S:info(A)),
    ?assertEqual(ok, ?S:send(A, <<"x">>, nowait)),
    ?assertMatch(#{num_writers := 0}, ?S:info(A)),
    close({A, B}).

-spec writers_are_selected_one_after_the_other(config()) -> term().
writers_are_selected_one_after_the_other(_) ->
    {A, B} = small_pair({local, stream}),
    {Taken, First} = block(A),
    Second = actor(),
    {select, SelectInfo} = run(Second, fun() -> ?S:send(A, <<"2">>, nowait) end),
    drain(B, Taken),
    await_select(A, First),
    ok = run(Second, fun() -> no_messages(A) end),
    ?assertEqual(ok, ?S:send(A, <<"1">>, nowait)),
    ?assertEqual(ok, run(Second, fun() -> await_select(A, SelectInfo) end)),
    ?assertEqual(ok, run(Second, fun() -> ?S:send(A, <<"2">>, nowait) end)),
    ?assertEqual({ok, <<"12">>}, ?S:recv(B, 2, ?PATIENCE)),
    kill(Second),
    close({A, B}).

-spec write_error_aborts_the_queued_writers(config()) -> term().
write_error_aborts_the_queued_writers(_) ->
    {A, B} = small_pair({inet, stream}),
    {_, First} = block(A),
    Second = actor(),
    {select, SelectInfo} = run(Second, fun() -> ?S:send(A, <<"2">>, nowait) end),
    reset(B),
    await_select(A, First),
    ?assertEqual({error, {econnreset, 3}}, ?S:send(A, <<"abc">>, nowait)),
    ?assertEqual(ok, run(Second, fun() -> await_abort(A, SelectInfo, econnreset) end)),
    kill(Second),
    close(A).

-spec datagram_writer_is_selected_when_the_peer_reads(config()) -> term().
datagram_writer_is_selected_when_the_peer_reads(_) ->
    {A, B} = pair({local, dgram}),
    {Taken, SelectInfo} = block(A),
    no_messages(A),
    drain(B, Taken),
    await_select(A, SelectInfo),
    ?assertEqual(ok, ?S:send(A, <<"x">>, nowait)),
    close({A, B}).

%% ---- mixtures ----

-spec timeout_leaves_the_queue_without_messages(config()) -> term().
timeout_leaves_the_queue_without_messages(_) ->
    {A, B} = pair({local, stream}),
    Other = actor(),
    {select, _} = run(Other, fun() -> ?S:recv(B, 0, nowait) end),
    ?assertEqual({error, timeout}, ?S:recv(B, 0, 20)),
    ok = ?S:send(A, <<"x">>),
    ?assertEqual({ok, <<"x">>}, run(Other, fun() -> ?S:recv(B, 0, nowait) end)),
    no_messages(B),
    kill(Other),
    close({A, B}).

-spec pending_accept_and_recv_exclude_each_other(config()) -> term().
pending_accept_and_recv_exclude_each_other(_) ->
    Listener = listener({inet, stream}),
    {select, Accept} = ?S:accept(Listener, nowait),
    [?assertEqual({error, einval}, Call()) || Call <- read_calls(Listener, nowait)],
    ok = ?S:cancel(Listener, Accept),
    {A, B} = pair({inet, stream}),
    {select, _} = ?S:recv(A, 0, nowait),
    ?assertEqual({error, einval}, ?S:accept(A, nowait)),
    close({Listener, A, B}).

-spec ping_pong_by_selects_moves_everything(config()) -> term().
ping_pong_by_selects_moves_everything(_) ->
    {A, B} = pair({inet, stream}),
    Echo = start(fun() -> echo(B) end),
    Data = random(200000),
    Sender = start(fun() -> ?S:send(A, Data) end),
    ?assertEqual(Data, iolist_to_binary(collect(A, byte_size(Data)))),
    ok = result(Sender),
    ok = ?S:shutdown(A, write),
    ?assertEqual(ok, result(Echo)),
    no_messages(A),
    close({A, B}).

-spec collect(socket(), non_neg_integer()) -> [binary()].
collect(_, 0) ->
    [];
collect(Socket, Left) ->
    case ?S:recv(Socket, 0, nowait) of
        {ok, Data} ->
            [Data | collect(Socket, Left - byte_size(Data))];
        {select, SelectInfo} ->
            await_select(Socket, SelectInfo),
            collect(Socket, Left)
    end.

-spec echo(socket()) -> ok.
echo(Socket) ->
    case ?S:recv(Socket, 0, nowait) of
        {ok, Data} ->
            ok = ?S:send(Socket, Data),
            echo(Socket);
        {select, SelectInfo} ->
            await_select(Socket, SelectInfo),
            echo(Socket);
        {error, closed} ->
            ok
    end.

-spec a_thousand_selects_fire_once_each(config()) -> term().
a_thousand_selects_fire_once_each(_) ->
    Pairs = [pair({local, dgram}) || _ <- lists:seq(1, 1000)],
    Selects = [{B, Info} || {_, B} <- Pairs, {select, Info} <- [?S:recvfrom(B, 0, nowait)]],
    ?assertEqual(1000, length(Selects)),
    [ok = ?S:send(A, <<"x">>) || {A, _} <- lists:reverse(Pairs)],
    [await_select(B, Info) || {B, Info} <- Selects],
    [no_messages(B) || {_, B} <- Pairs],
    ?assertEqual([{ok, <<"x">>}], lists:usort([?S:recv(B, 0, nowait) || {_, B} <- Pairs])),
    [close(Pair) || Pair <- Pairs],
    ok.

%% A process is ended where its reductions are used up, at the latest. In the table that others look through afterwards there are those of
%% which nothing is told yet; or, where selects are being armed, those of which the caller was told.
-spec who_is_killed_has_told_of_a_select_or_left_it_to_others(config()) -> term().
who_is_killed_has_told_of_a_select_or_left_it_to_others(_) ->
    Killer = spawn_link(fun killer/0),
    [begin
         Outcomes = [{Left, killed_with(Left, Act, Killer)} || Left <- lists:seq(1, 150) ++ lists:seq(1000, 1150)],
         Halfway = [Told || {_, {Told, _}} <- Outcomes, Told > 0, Told < ?ARMED],
         ct:log("~p: ~p of ~p were killed halfway", [Act, length(Halfway), length(Outcomes)]),
         ?assertEqual({Act, []}, {Act, [Outcome || {_, {Told, Rest}} = Outcome <- Outcomes, Rest =/= rest(Act, Told)]})
     end || Act <- [arm, fire, abort_all, abort_rest]],
    unlink(Killer),
    kill(Killer).

-spec killer() -> no_return().
killer() ->
    receive
        {kill, Pid, Done} ->
            exit(Pid, kill),
            atomics:put(Done, 1, 1),
            killer()
    end.

-spec rest(atom(), Told :: non_neg_integer()) -> non_neg_integer().
rest(arm, Told) -> Told;
rest(_, Told) -> ?ARMED - Told.

%% It is so many reductions away from its end when it begins.
-spec killed_with(Reductions :: pos_integer(), atom(), Killer :: pid()) -> {Told :: non_neg_integer(), Rest :: non_neg_integer()}.
killed_with(Reductions, Act, Killer) ->
    Table = gosocket_selects:new_table({heir, self(), none}),
    Test = self(),
    {Pid, Monitor} = spawn_monitor(fun() ->
        Refs = [make_ref() || _ <- lists:seq(1, ?ARMED)],
        New = gosocket_selects:new(Table),
        Selects = case Act of
                      arm -> New;
                      _ -> lists:foldl(fun(Ref, Armed) -> arm(Test, Ref, Armed) end, New, Refs)
                  end,
        Test ! {self(), armed},
        receive {Test, go} -> ok end,
        Done = atomics:new(1, []),
        Others = gosocket_selects:new(gosocket_selects:new_table({heir, Test, none})),
        %% it has all its reductions then, and knows it
        _ = erase(),
        _ = arm(self(), make_ref(), Others),
        Before = reductions(),
        Killer ! {kill, self(), Done},
        await(Done, 1000),
        erlang:bump_reductions(max(1, ?REDUCTIONS - Reductions - (reductions() - Before))),
        act(Act, Test, Refs, Table, Selects),
        receive after infinity -> ok end
    end),
    receive {Pid, armed} -> ok end,
    _ = told(),
    Pid ! {Test, go},
    receive {'DOWN', Monitor, process, Pid, killed} -> ok end,
    receive {'ETS-TRANSFER', Others, Pid, none} -> ets:delete(Others) end,
    Rest = case ets:info(Table, size) of
               undefined -> 0;
               Size -> ets:delete(Table), Size
           end,
    {told(), Rest}.

-spec reductions() -> non_neg_integer().
reductions() ->
    {reductions, Reductions} = erlang:process_info(self(), reductions),
    Reductions.

-spec await(atomics:atomics_ref(), Looks :: non_neg_integer()) -> ok.
await(Done, Looks) ->
    case Looks > 0 andalso atomics:get(Done, 1) of
        0 -> await(Done, Looks - 1);
        _ -> ok
    end.

-spec act(atom(), pid(), [reference()], ets:table(), gosocket_selects:selects()) -> term().
act(arm, Test, Refs, _, Selects) -> lists:foldl(fun(Ref, Armed) -> arm(Test, Ref, Armed) end, Selects, Refs);
act(fire, Test, Refs, _, Selects) -> lists:foldl(fun(Ref, Armed) -> gosocket_selects:fire(Ref, Test, {told, Ref}, Armed) end, Selects, Refs);
act(abort_all, _, _, _, Selects) -> gosocket_selects:abort_all(Selects);
act(abort_rest, _, _, Table, _) -> gosocket_selects:abort_rest(Table).

%% As a lane does with the answer to a call that is to wait.
-spec arm(pid(), reference(), Selects) -> Selects when Selects :: gosocket_selects:selects().
arm(Pid, Ref, Selects) ->
    Answer = iolist_to_binary([131, 104, 2, 98, <<0:32>>, 104, 2, 119, 6, "select"]),
    Socket = erlang:unique_integer([positive]),
    gosocket_selects:send(Pid, {told, Ref}, gosocket_selects:settle({Pid, read, Ref, Socket}, make_ref(), Answer, Selects)).

-spec told() -> non_neg_integer().
told() ->
    receive
        {told, _} -> 1 + told();
        {'$socket', _, abort, _} -> 1 + told()
    after 0 -> 0
    end.

-spec read_calls(socket(), timeout() | nowait) -> [fun(() -> term())].
read_calls(Socket, Timeout) ->
    [fun() -> ?S:recv(Socket, 0, Timeout) end, fun() -> ?S:recvfrom(Socket, 0, Timeout) end,
     fun() -> ?S:recvmsg(Socket, [], Timeout) end].
