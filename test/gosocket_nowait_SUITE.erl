%% Asynchronous calls: who is current, who waits, which message is due, and which is not.
-module(gosocket_nowait_SUITE).

-export([
    every_call_has_its_own_tag/1,
    complete_calls_need_no_select/1,
    part_of_a_length_comes_with_a_select/1,
    part_is_not_repeated_at_the_end_of_stream/1,
    select_message_comes_once/1,
    select_message_carries_the_callers_handle/1,
    current_reader_stays_until_it_calls_again/1,
    others_wait_behind_the_current_reader_though_data_are_there/1,
    blocking_reader_waits_behind_a_select/1,
    next_reader_is_selected_when_the_current_is_done/1,
    next_reader_is_selected_when_the_current_dies/1,
    queued_reader_that_asks_again_is_ealready/1,
    queued_reader_that_asks_with_a_timeout_raises_ealready/1,
    queued_writer_that_asks_again_is_ealready/1,
    recv_recvfrom_recvmsg_share_one_queue/1,
    current_reader_that_asks_again_gets_the_newest_ref_only/1,
    current_acceptor_that_asks_again_gets_the_newest_ref_only/1,
    current_reader_that_asks_again_may_complete/1,
    dead_waiters_are_left_out/1,
    acceptors_are_selected_one_after_the_other/1,
    queued_acceptor_that_accepts_with_a_timeout_leaves_the_queue/1
]).

-define(OURS, [current_acceptor_that_asks_again_gets_the_newest_ref_only]).
-include("gosocket_test.hrl").

%% ---- shapes ----

-spec every_call_has_its_own_tag(config()) -> term().
every_call_has_its_own_tag(_) ->
    [begin
         #{socket := Socket, others := Others} = Situation = gosocket_test_blocked:make(Name),
         {select_info, Tag, Ref} = SelectInfo = gosocket_test_blocked:select(Situation),
         ?assertEqual({Name, tag(Name)}, {Name, Tag}),
         ?assert(is_reference(Ref)),
         ?assertEqual(ok, ?S:cancel(Socket, SelectInfo)),
         close([Socket | Others])
     end || Name <- gosocket_test_blocked:select_calls()].

-spec tag(gosocket_test_blocked:name()) -> atom().
tag(recv_n) -> recv;
tag(recvfrom_stream) -> recvfrom;
tag(recvmsg_stream) -> recvmsg;
tag(Name) -> Name.

-spec complete_calls_need_no_select(config()) -> term().
complete_calls_need_no_select(_) ->
    {A, B} = pair({local, dgram}),
    Listener = listener({local, stream}),
    Client = unconnected({local, stream}),
    ?assertEqual(ok, ?S:connect(Client, local_address(Listener), nowait)),
    {ok, Server} = ?S:accept(Listener, nowait),
    ?assertEqual(ok, ?S:send(A, <<"one">>, nowait)),
    ?assertEqual(ok, ?S:sendto(A, <<"two">>, local_address(B), [], nowait)),
    ?assertEqual(ok, ?S:sendmsg(A, #{iov => [<<"three">>]}, nowait)),
    ?assertEqual({ok, <<"one">>}, ?S:recv(B, 0, nowait)),
    ?assertMatch({ok, {#{family := local}, <<"two">>}}, ?S:recvfrom(B, 0, nowait)),
    ?assertMatch({ok, #{iov := [<<"three">>]}}, ?S:recvmsg(B, nowait)),
    [no_messages(Socket) || Socket <- [A, B, Listener, Client, Server]],
    close([A, B, Listener, Client, Server]).

-spec part_of_a_length_comes_with_a_select(config()) -> term().
part_of_a_length_comes_with_a_select(_) ->
    {A, B} = pair({local, stream}),
    ok = ?S:send(A, <<"abcd">>),
    {ok, {<<"abcd">>, SelectInfo}} = ?S:recv(B, 10, nowait),
    ?assertMatch({select_info, recv, _}, SelectInfo),
    ok = ?S:send(A, <<"efghij">>),
    await_select(B, SelectInfo),
    ?assertEqual({ok, <<"efghij">>}, ?S:recv(B, 6, nowait)),
    no_messages(B),
    close({A, B}).

-spec part_is_not_repeated_at_the_end_of_stream(config()) -> term().
part_is_not_repeated_at_the_end_of_stream(_) ->
    {A, B} = pair({local, stream}),
    ok = ?S:send(A, <<"abcd">>),
    {ok, {<<"abcd">>, SelectInfo}} = ?S:recv(B, 10, nowait),
    close(A),
    await_select(B, SelectInfo),
    ?assertEqual({error, closed}, ?S:recv(B, 10, nowait)),
    close(B).

%% ---- messages ----

-spec select_message_comes_once(config()) -> term().
select_message_comes_once(_) ->
    {A, B} = pair({local, stream}),
    {select, SelectInfo} = ?S:recv(B, 0, nowait),
    [ok = ?S:send(A, <<"x">>) || _ <- lists:seq(1, 10)],
    await_select(B, SelectInfo),
    ok = ?S:send(A, <<"x">>),
    no_messages(B),
    ?assertEqual({ok, <<"xxxxxxxxxxx">>}, ?S:recv(B, 11, nowait)),
    no_messages(B),
    close({A, B}).

-spec select_message_carries_the_callers_handle(config()) -> term().
select_message_carries_the_callers_handle(_) ->
    {A, B} = pair({local, stream}),
    {select, {select_info, recv, Ref}} = ?S:recv(B, 0, nowait),
    ok = ?S:send(A, <<"x">>),
    receive
        Message -> ?assertEqual({'$socket', B, select, Ref}, Message)
    end,
    close({A, B}).

%% ---- who is current ----

-spec current_reader_stays_until_it_calls_again(config()) -> term().
current_reader_stays_until_it_calls_again(_) ->
    {A, B} = pair({local, stream}),
    Other = actor(),
    {select, SelectInfo} = ?S:recv(B, 0, nowait),
    ok = ?S:send(A, <<"x">>),
    await_select(B, SelectInfo),
    ?assertMatch(#{num_readers := 1}, ?S:info(B)),
    ?assertMatch({select, _}, run(Other, fun() -> ?S:recv(B, 0, nowait) end)),
    ?assertMatch(#{num_readers := 2}, ?S:info(B)),
    ?assertEqual({ok, <<"x">>}, ?S:recv(B, 0, nowait)),
    ?assertMatch(#{num_readers := 1}, ?S:info(B)),
    kill(Other),
    await_parked(B, num_readers, 0),
    close({A, B}).

-spec others_wait_behind_the_current_reader_though_data_are_there(config()) -> term().
others_wait_behind_the_current_reader_though_data_are_there(_) ->
    {A, B} = pair({local, stream}),
    {select, First} = ?S:recv(B, 0, nowait),
    ok = ?S:send(A, <<"data">>),
    await_select(B, First),
    Others = [actor() || _ <- [1, 2, 3]],
    [?assertMatch({select, _}, run(Other, Call)) || {Other, Call} <- lists:zip(Others, read_calls(B, nowait))],
    [run(Other, fun() -> no_messages(B) end) || Other <- Others],
    ok = ?S:cancel(B, First),
    close({A, B}),
    [kill(Other) || Other <- Others].

-spec read_calls(socket(), timeout() | nowait) -> [fun(() -> term())].
read_calls(Socket, Timeout) ->
    [fun() -> ?S:recv(Socket, 0, Timeout) end, fun() -> ?S:recvfrom(Socket, 0, Timeout) end,
     fun() -> ?S:recvmsg(Socket, [], Timeout) end].

-spec blocking_reader_waits_behind_a_select(config()) -> term().
blocking_reader_waits_behind_a_select(_) ->
    {A, B} = pair({local, stream}),
    {select, SelectInfo} = ?S:recv(B, 0, nowait),
    Reader = start(fun() -> ?S:recv(B, 1) end),
    await_parked(B, num_readers, 2),
    ok = ?S:send(A, <<"12">>),
    await_select(B, SelectInfo),
    ?assertEqual({ok, <<"1">>}, ?S:recv(B, 1, nowait)),
    ?assertEqual({ok, <<"2">>}, result(Reader)),
    close({A, B}).

-spec next_reader_is_selected_when_the_current_is_done(config()) -> term().
next_reader_is_selected_when_the_current_is_done(_) ->
    {A, B} = pair({local, stream}),
    [First, Second, Third] = Actors = [actor() || _ <- [1, 2, 3]],
    Selects = [run(Actor, fun() -> {select, Info} = ?S:recv(B, 1, nowait), Info end) || Actor <- Actors],
    ok = ?S:send(A, <<"123">>),
    [begin
         ok = run(Actor, fun() -> await_select(B, SelectInfo) end),
         [ok = run(Later, fun() -> no_messages(B) end) || Later <- tl(lists:dropwhile(fun(Is) -> Is =/= Actor end, Actors))],
         ?assertEqual({ok, Byte}, run(Actor, fun() -> ?S:recv(B, 1, nowait) end))
     end || {Actor, SelectInfo, Byte} <- lists:zip3(Actors, Selects, [<<"1">>, <<"2">>, <<"3">>])],
    [kill(Actor) || Actor <- [First, Second, Third]],
    close({A, B}).

-spec next_reader_is_selected_when_the_current_dies(config()) -> term().
next_reader_is_selected_when_the_current_dies(_) ->
    {A, B} = pair({local, stream}),
    First = actor(),
    {select, _} = run(First, fun() -> ?S:recv(B, 0, nowait) end),
    {select, SelectInfo} = ?S:recv(B, 0, nowait),
    ok = ?S:send(A, <<"data">>),
    no_messages(B),
    kill(First),
    await_select(B, SelectInfo),
    ?assertEqual({ok, <<"data">>}, ?S:recv(B, 0, nowait)),
    close({A, B}).

-spec dead_waiters_are_left_out(config()) -> term().
dead_waiters_are_left_out(_) ->
    {A, B} = pair({local, stream}),
    {select, SelectInfo} = ?S:recv(B, 1, nowait),
    [Second, Third] = Actors = [actor() || _ <- [2, 3]],
    [_, ThirdInfo] = [run(Actor, fun() -> {select, Info} = ?S:recv(B, 1, nowait), Info end) || Actor <- Actors],
    kill(Second),
    await_parked(B, num_readers, 2),
    ok = ?S:send(A, <<"13">>),
    await_select(B, SelectInfo),
    {ok, <<"1">>} = ?S:recv(B, 1, nowait),
    ?assertEqual(ok, run(Third, fun() -> await_select(B, ThirdInfo) end)),
    ?assertEqual({ok, <<"3">>}, run(Third, fun() -> ?S:recv(B, 1, nowait) end)),
    kill(Third),
    close({A, B}).

%% ---- asking again ----

-spec queued_reader_that_asks_again_is_ealready(config()) -> term().
queued_reader_that_asks_again_is_ealready(_) ->
    {A, B} = pair({local, stream}),
    {select, _} = ?S:recv(B, 0, nowait),
    Queued = actor(),
    {select, SelectInfo} = run(Queued, fun() -> ?S:recv(B, 0, nowait) end),
    [?assertEqual({error, ealready}, run(Queued, Call)) || Call <- read_calls(B, nowait)],
    ok = ?S:send(A, <<"12">>),
    {ok, <<"1">>} = ?S:recv(B, 1, nowait),
    ?assertEqual(ok, run(Queued, fun() -> await_select(B, SelectInfo) end)),
    kill(Queued),
    close({A, B}).

-spec queued_reader_that_asks_with_a_timeout_raises_ealready(config()) -> term().
queued_reader_that_asks_with_a_timeout_raises_ealready(_) ->
    {A, B} = pair({local, stream}),
    {select, _} = ?S:recv(B, 0, nowait),
    Queued = actor(),
    {select, _} = run(Queued, fun() -> ?S:recv(B, 0, nowait) end),
    [?assertEqual({error, ealready}, run(Queued, fun() -> outcome(Call) end))
     || Timeout <- [100, infinity], Call <- read_calls(B, Timeout)],
    ?assertMatch(#{num_readers := 2}, ?S:info(B)),
    kill(Queued),
    close({A, B}).

-spec queued_writer_that_asks_again_is_ealready(config()) -> term().
queued_writer_that_asks_again_is_ealready(_) ->
    {A, B} = small_pair({local, stream}),
    {_, _} = block(A),
    Queued = actor(),
    {select, _} = run(Queued, fun() -> ?S:send(A, <<"abc">>, nowait) end),
    ?assertEqual({error, {ealready, 3}}, run(Queued, fun() -> ?S:send(A, <<"abc">>, nowait) end)),
    ?assertEqual({error, ealready}, run(Queued, fun() -> ?S:sendmsg(A, #{iov => [<<"abc">>]}, nowait) end)),
    ?assertMatch(#{num_writers := 2}, ?S:info(A)),
    kill(Queued),
    close({A, B}).

-spec recv_recvfrom_recvmsg_share_one_queue(config()) -> term().
recv_recvfrom_recvmsg_share_one_queue(_) ->
    {A, B} = pair({local, dgram}),
    {select, _} = ?S:recvmsg(B, nowait),
    {select, SelectInfo} = ?S:recvfrom(B, 0, nowait),
    ?assertMatch({select_info, recvfrom, _}, SelectInfo),
    ?assertMatch(#{num_readers := 1}, ?S:info(B)),
    ok = ?S:send(A, <<"x">>),
    await_select(B, SelectInfo),
    no_messages(B),
    ?assertEqual({ok, <<"x">>}, ?S:recv(B, 0, nowait)),
    close({A, B}).

-spec current_reader_that_asks_again_gets_the_newest_ref_only(config()) -> term().
current_reader_that_asks_again_gets_the_newest_ref_only(_) ->
    {A, B} = pair({local, stream}),
    [_, _, {select, Newest}] = [?S:recv(B, 0, nowait) || _ <- [1, 2, 3]],
    ?assertMatch(#{num_readers := 1}, ?S:info(B)),
    ok = ?S:send(A, <<"x">>),
    await_select(B, Newest),
    no_messages(B),
    close({A, B}).

%% In the reference the first one stays the valid one.
-spec current_acceptor_that_asks_again_gets_the_newest_ref_only(config()) -> term().
current_acceptor_that_asks_again_gets_the_newest_ref_only(_) ->
    Listener = listener({local, stream}),
    {select, First} = ?S:accept(Listener, nowait),
    {select, Newest} = ?S:accept(Listener, nowait),
    ?assertEqual({error, einval}, ?S:cancel(Listener, First)),
    Client = unconnected({local, stream}),
    ok = ?S:connect(Client, local_address(Listener)),
    await_select(Listener, Newest),
    no_messages(Listener),
    ?assertEqual(ok, ?S:cancel(Listener, Newest)),
    close({Listener, Client}).

-spec current_reader_that_asks_again_may_complete(config()) -> term().
current_reader_that_asks_again_may_complete(_) ->
    {A, B} = pair({local, stream}),
    {select, _} = ?S:recv(B, 10, nowait),
    ok = ?S:send(A, <<"1234567890">>),
    ?assertEqual({ok, <<"1234567890">>}, ?S:recv(B, 10, nowait)),
    ?assertMatch(#{num_readers := 0}, ?S:info(B)),
    close({A, B}).

%% ---- acceptors ----

-spec acceptors_are_selected_one_after_the_other(config()) -> term().
acceptors_are_selected_one_after_the_other(_) ->
    Listener = listener({local, stream}),
    [First, Second] = Actors = [actor() || _ <- [1, 2]],
    [One, Two] = [run(Actor, fun() -> {select, Info} = ?S:accept(Listener, nowait), Info end) || Actor <- Actors],
    ?assertMatch(#{num_acceptors := 2}, ?S:info(Listener)),
    Clients = [unconnected({local, stream}) || _ <- [1, 2]],
    [ok = ?S:connect(Client, local_address(Listener)) || Client <- Clients],
    ok = run(First, fun() -> await_select(Listener, One) end),
    ok = run(Second, fun() -> no_messages(Listener) end),
    {ok, _} = run(First, fun() -> ?S:accept(Listener, nowait) end),
    ?assertEqual(ok, run(Second, fun() -> await_select(Listener, Two) end)),
    ?assertMatch({ok, _}, run(Second, fun() -> ?S:accept(Listener, nowait) end)),
    ?assertMatch(#{num_acceptors := 0}, ?S:info(Listener)),
    [kill(Actor) || Actor <- Actors],
    close([Listener | Clients]).

-spec queued_acceptor_that_accepts_with_a_timeout_leaves_the_queue(config()) -> term().
queued_acceptor_that_accepts_with_a_timeout_leaves_the_queue(_) ->
    Listener = listener({local, stream}),
    {select, _} = ?S:accept(Listener, nowait),
    Queued = actor(),
    {select, _} = run(Queued, fun() -> ?S:accept(Listener, nowait) end),
    ?assertEqual({error, timeout}, run(Queued, fun() -> ?S:accept(Listener, 20) end)),
    ?assertMatch(#{num_acceptors := 1}, ?S:info(Listener)),
    kill(Queued),
    close(Listener).
