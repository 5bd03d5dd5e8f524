%% cancel in every state, and the asynchronous connect.
-module(gosocket_cancel_SUITE).

-export([
    cancel_of_an_armed_select_frees_the_slot/1,
    cancel_before_data_leaves_no_message/1,
    cancel_after_the_message_takes_it_back/1,
    cancel_of_a_queued_select_leaves_the_queue/1,
    cancel_of_the_current_activates_the_next/1,
    cancel_of_a_queued_select_by_another_is_einval/1,
    cancel_of_the_current_by_another_is_silent/1,
    cancel_by_another_after_the_message_leaves_the_message/1,
    second_cancel_is_einval/1,
    cancel_of_an_unknown_ref_is_einval/1,
    cancel_with_a_tag_of_another_kind_is_einval/1,
    cancel_with_another_tag_of_the_kind_is_ok/1,
    cancel_of_a_replaced_ref_is_einval/1,
    cancel_after_a_part_frees_the_slot/1,
    cancel_of_a_partial_send_frees_the_slot/1,
    cancel_racing_with_data_leaves_nothing_behind/1,
    cancel_on_a_closed_socket_takes_the_abort_back/1,
    connect_select_then_connect_1_finishes/1,
    connect_select_then_connect_2_or_3_finishes/1,
    connect_of_a_refused_address_fails_at_the_end/1,
    connect_1_before_the_message_tells_the_truth/1,
    connect_by_another_while_connecting_is_ealready/1,
    pending_connect_excludes_send_not_recv/1,
    current_writer_excludes_connect/1,
    cancelled_connect_frees_the_socket/1,
    cancel_connect_with_nothing_pending_is_ok/1,
    close_aborts_a_pending_connect/1,
    local_connect_to_a_full_backlog_is_eagain_now_and_waits_later/1,
    udp_connect_again_changes_the_peer/1
]).

-define(OURS, [
    cancelled_connect_frees_the_socket,
    connect_1_before_the_message_tells_the_truth,
    local_connect_to_a_full_backlog_is_eagain_now_and_waits_later
]).
-include("gosocket_test.hrl").

%% ---- cancel ----

-spec select(fun(() -> term())) -> {select_info, atom(), reference()}.
select(Call) ->
    {select, SelectInfo} = Call(),
    SelectInfo.

-spec reader(socket()) -> fun(() -> term()).
reader(Socket) ->
    fun() -> ?S:recv(Socket, 0, nowait) end.

-spec cancel_of_an_armed_select_frees_the_slot(config()) -> term().
cancel_of_an_armed_select_frees_the_slot(_) ->
    [begin
         #{socket := Socket, others := Others, parked := Parked} = Situation = gosocket_test_blocked:make(Name),
         SelectInfo = gosocket_test_blocked:select(Situation),
         ?assertMatch({Name, 1}, {Name, maps:get(Parked, ?S:info(Socket), 1)}),
         ?assertEqual({Name, ok}, {Name, ?S:cancel(Socket, SelectInfo)}),
         ?assertMatch({Name, 0}, {Name, maps:get(Parked, ?S:info(Socket), 0)}),
         close([Socket | Others]),
         no_messages(Socket)
     end || Name <- gosocket_test_blocked:select_calls()].

-spec cancel_before_data_leaves_no_message(config()) -> term().
cancel_before_data_leaves_no_message(_) ->
    {A, B} = pair({local, stream}),
    SelectInfo = select(reader(B)),
    ok = ?S:cancel(B, SelectInfo),
    ok = ?S:send(A, <<"x">>),
    ?assertEqual({ok, <<"x">>}, ?S:recv(B, 0, nowait)),
    no_messages(B),
    close({A, B}).

-spec cancel_after_the_message_takes_it_back(config()) -> term().
cancel_after_the_message_takes_it_back(_) ->
    {A, B} = pair({local, stream}),
    SelectInfo = select(reader(B)),
    ok = ?S:send(A, <<"x">>),
    wait_until(fun() -> has_message() end),
    ?assertEqual(ok, ?S:cancel(B, SelectInfo)),
    no_messages(B),
    ?assertMatch(#{num_readers := 0}, ?S:info(B)),
    close({A, B}).

-spec has_message() -> boolean().
has_message() ->
    ok = gosocket_test_lib:fetch_messages(),
    {message_queue_len, Length} = erlang:process_info(self(), message_queue_len),
    Length > 0.

-spec cancel_of_a_queued_select_leaves_the_queue(config()) -> term().
cancel_of_a_queued_select_leaves_the_queue(_) ->
    {A, B} = pair({local, stream}),
    Other = actor(),
    _ = run(Other, fun() -> select(reader(B)) end),
    SelectInfo = select(reader(B)),
    ?assertEqual(ok, ?S:cancel(B, SelectInfo)),
    ?assertMatch(#{num_readers := 1}, ?S:info(B)),
    close({A, B}),
    no_messages(B),
    kill(Other).

-spec cancel_of_the_current_activates_the_next(config()) -> term().
cancel_of_the_current_activates_the_next(_) ->
    {A, B} = pair({local, stream}),
    First = select(reader(B)),
    Second = actor(),
    SelectInfo = run(Second, fun() -> select(reader(B)) end),
    ok = ?S:send(A, <<"x">>),
    ok = run(Second, fun() -> no_messages(B) end),
    ?assertEqual(ok, ?S:cancel(B, First)),
    ?assertEqual(ok, run(Second, fun() -> await_select(B, SelectInfo) end)),
    ?assertEqual({ok, <<"x">>}, run(Second, fun() -> ?S:recv(B, 0, nowait) end)),
    kill(Second),
    close({A, B}).

-spec cancel_of_a_queued_select_by_another_is_einval(config()) -> term().
cancel_of_a_queued_select_by_another_is_einval(_) ->
    {A, B} = pair({local, stream}),
    _ = select(reader(B)),
    Queued = actor(),
    SelectInfo = run(Queued, fun() -> select(reader(B)) end),
    ?assertEqual({error, einval}, ?S:cancel(B, SelectInfo)),
    ?assertMatch(#{num_readers := 2}, ?S:info(B)),
    kill(Queued),
    close({A, B}).

-spec cancel_of_the_current_by_another_is_silent(config()) -> term().
cancel_of_the_current_by_another_is_silent(_) ->
    {A, B} = pair({local, stream}),
    Current = actor(),
    SelectInfo = run(Current, fun() -> select(reader(B)) end),
    ?assertEqual(ok, ?S:cancel(B, SelectInfo)),
    ok = ?S:send(A, <<"x">>),
    ?assertEqual({ok, <<"x">>}, ?S:recv(B, 0, nowait)),
    ?assertEqual(ok, run(Current, fun() -> no_messages(B) end)),
    kill(Current),
    close({A, B}).

-spec cancel_by_another_after_the_message_leaves_the_message(config()) -> term().
cancel_by_another_after_the_message_leaves_the_message(_) ->
    {A, B} = pair({local, stream}),
    Current = actor(),
    SelectInfo = run(Current, fun() -> select(reader(B)) end),
    ok = ?S:send(A, <<"x">>),
    ok = run(Current, fun() -> wait_until(fun() -> has_message() end) end),
    ?assertEqual(ok, ?S:cancel(B, SelectInfo)),
    ?assertEqual(ok, run(Current, fun() -> await_select(B, SelectInfo) end)),
    kill(Current),
    close({A, B}).

-spec second_cancel_is_einval(config()) -> term().
second_cancel_is_einval(_) ->
    {A, B} = pair({local, stream}),
    SelectInfo = select(reader(B)),
    ?assertEqual([ok, {error, einval}], [?S:cancel(B, SelectInfo) || _ <- [1, 2]]),
    close({A, B}).

-spec cancel_of_an_unknown_ref_is_einval(config()) -> term().
cancel_of_an_unknown_ref_is_einval(_) ->
    {A, B} = pair({local, stream}),
    SelectInfo = select(reader(B)),
    ?assertEqual({error, einval}, ?S:cancel(B, {select_info, recv, make_ref()})),
    ?assertEqual(ok, ?S:cancel(B, SelectInfo)),
    close({A, B}).

-spec cancel_with_a_tag_of_another_kind_is_einval(config()) -> term().
cancel_with_a_tag_of_another_kind_is_einval(_) ->
    {A, B} = pair({local, stream}),
    {select_info, recv, Ref} = SelectInfo = select(reader(B)),
    [?assertEqual({Tag, {error, einval}}, {Tag, ?S:cancel(B, {select_info, Tag, Ref})})
     || Tag <- [send, sendto, sendmsg, accept, foo]],
    ?assertEqual(ok, ?S:cancel(B, SelectInfo)),
    close({A, B}).

-spec cancel_with_another_tag_of_the_kind_is_ok(config()) -> term().
cancel_with_another_tag_of_the_kind_is_ok(_) ->
    {A, B} = pair({local, stream}),
    [begin
         {select_info, recv, Ref} = select(reader(B)),
         ?assertEqual({Tag, ok}, {Tag, ?S:cancel(B, {select_info, Tag, Ref})})
     end || Tag <- [recv, recvfrom, recvmsg]],
    close({A, B}).

-spec cancel_of_a_replaced_ref_is_einval(config()) -> term().
cancel_of_a_replaced_ref_is_einval(_) ->
    {A, B} = pair({local, stream}),
    [Old, New] = [select(reader(B)) || _ <- [1, 2]],
    ?assertEqual([{error, einval}, ok], [?S:cancel(B, SelectInfo) || SelectInfo <- [Old, New]]),
    close({A, B}).

-spec cancel_after_a_part_frees_the_slot(config()) -> term().
cancel_after_a_part_frees_the_slot(_) ->
    {A, B} = pair({local, stream}),
    ok = ?S:send(A, <<"part">>),
    {ok, {<<"part">>, SelectInfo}} = ?S:recv(B, 10, nowait),
    ?assertMatch(#{num_readers := 1}, ?S:info(B)),
    ?assertEqual(ok, ?S:cancel(B, SelectInfo)),
    ?assertMatch(#{num_readers := 0}, ?S:info(B)),
    ok = ?S:send(A, <<"x">>),
    no_messages(B),
    close({A, B}).

-spec cancel_of_a_partial_send_frees_the_slot(config()) -> term().
cancel_of_a_partial_send_frees_the_slot(_) ->
    {A, B} = small_pair({local, stream}),
    {ok, {Rest, SelectInfo}} = ?S:send(A, binary:copy(<<"x">>, 1 bsl 20), nowait),
    ?assertMatch(#{num_writers := 1}, ?S:info(A)),
    ?assertEqual(ok, ?S:cancel(A, SelectInfo)),
    drain(B, (1 bsl 20) - byte_size(Rest)),
    no_messages(A),
    ?assertMatch(#{num_writers := 0}, ?S:info(A)),
    close({A, B}).

%% Whichever comes first: after ok the mailbox is empty and the data are there.
-spec cancel_racing_with_data_leaves_nothing_behind(config()) -> term().
cancel_racing_with_data_leaves_nothing_behind(_) ->
    {A, B} = pair({local, stream}),
    Peer = actor(),
    [begin
         SelectInfo = select(reader(B)),
         Sending = cast(Peer, fun() -> ?S:send(A, <<"x">>) end),
         [erlang:yield() || _ <- lists:seq(1, rand:uniform(50))],
         ?assertEqual(ok, ?S:cancel(B, SelectInfo)),
         ok = answer(Sending),
         no_messages(B),
         ?assertEqual({ok, <<"x">>}, ?S:recv(B, 0, ?PATIENCE))
     end || _ <- lists:seq(1, 500)],
    kill(Peer),
    close({A, B}).

-spec cancel_on_a_closed_socket_takes_the_abort_back(config()) -> term().
cancel_on_a_closed_socket_takes_the_abort_back(_) ->
    {A, B} = pair({local, stream}),
    SelectInfo = select(reader(B)),
    close({B, A}),
    ?assertEqual({error, closed}, ?S:cancel(B, SelectInfo)),
    receive
        {'$socket', _, _, _} = Message -> ct:fail(Message)
    after 0 -> ok
    end.

%% ---- connect ----

-spec connect_select_then_connect_1_finishes(config()) -> term().
connect_select_then_connect_1_finishes(_) ->
    connects_by(fun(Socket, _) -> ?S:connect(Socket) end).

-spec connect_select_then_connect_2_or_3_finishes(config()) -> term().
connect_select_then_connect_2_or_3_finishes(_) ->
    connects_by(fun(Socket, Address) -> ?S:connect(Socket, Address) end),
    connects_by(fun(Socket, Address) -> ?S:connect(Socket, Address, nowait) end).

-spec connects_by(fun((socket(), map()) -> term())) -> ok.
connects_by(Finish) ->
    Listener = listener({inet, stream}),
    Socket = unconnected({inet, stream}),
    Address = local_address(Listener),
    {select, {select_info, connect, _} = SelectInfo} = ?S:connect(Socket, Address, nowait),
    await_select(Socket, SelectInfo),
    ?assertEqual(ok, Finish(Socket, Address)),
    ?assertEqual({ok, Address}, ?S:peername(Socket)),
    no_messages(Socket),
    close({Listener, Socket}).

-spec connect_of_a_refused_address_fails_at_the_end(config()) -> term().
connect_of_a_refused_address_fails_at_the_end(_) ->
    Listener = listener({inet, stream}),
    Address = local_address(Listener),
    close(Listener),
    Socket = unconnected({inet, stream}),
    {select, SelectInfo} = ?S:connect(Socket, Address, nowait),
    await_select(Socket, SelectInfo),
    ?assertEqual({error, econnrefused}, ?S:connect(Socket)),
    close(Socket).

%% The reference says ok and is not connected.
-spec connect_1_before_the_message_tells_the_truth(config()) -> term().
connect_1_before_the_message_tells_the_truth(_) ->
    #{socket := Socket, others := Others} = Situation = gosocket_test_blocked:make(connect),
    SelectInfo = gosocket_test_blocked:select(Situation),
    ?assertMatch({error, _}, ?S:connect(Socket)),
    ?assertEqual({error, enotconn}, ?S:peername(Socket)),
    _ = ?S:cancel(Socket, SelectInfo),
    close([Socket | Others]).

-spec connect_by_another_while_connecting_is_ealready(config()) -> term().
connect_by_another_while_connecting_is_ealready(_) ->
    #{socket := Socket, others := Others, call := Call} = Situation = gosocket_test_blocked:make(connect),
    _ = gosocket_test_blocked:select(Situation),
    ?assertEqual([{error, ealready}, {error, ealready}],
                 [result(start(fun() -> Call(Timeout) end)) || Timeout <- [nowait, 100]]),
    close([Socket | Others]).

-spec pending_connect_excludes_send_not_recv(config()) -> term().
pending_connect_excludes_send_not_recv(_) ->
    #{socket := Socket, others := Others} = Situation = gosocket_test_blocked:make(connect),
    _ = gosocket_test_blocked:select(Situation),
    ?assertEqual({error, {einval, 1}}, ?S:send(Socket, <<"x">>, nowait)),
    ?assertEqual({error, einval}, ?S:sendmsg(Socket, #{iov => [<<"x">>]}, nowait)),
    ?assertMatch({select, _}, ?S:recv(Socket, 0, nowait)),
    close([Socket | Others]).

-spec current_writer_excludes_connect(config()) -> term().
current_writer_excludes_connect(_) ->
    {A, B} = small_pair({local, stream}),
    {_, _} = block(A),
    Other = listener({local, stream}),
    ?assertEqual({error, einval}, ?S:connect(A, local_address(Other), nowait)),
    ?assertEqual({error, einval}, ?S:connect(A)),
    close({A, B, Other}).

-spec cancelled_connect_frees_the_socket(config()) -> term().
cancelled_connect_frees_the_socket(_) ->
    #{socket := Socket, others := Others, call := Call} = Situation = gosocket_test_blocked:make(connect),
    SelectInfo = gosocket_test_blocked:select(Situation),
    ?assertEqual(ok, ?S:cancel(Socket, SelectInfo)),
    ?assertEqual({error, einval}, ?S:connect(Socket)),
    ?assertNotMatch({error, {einval, _}}, ?S:send(Socket, <<"x">>, 0)),
    ?assertEqual({error, ealready}, Call(nowait)),
    ?assertEqual({error, enotconn}, ?S:peername(Socket)),
    close([Socket | Others]).

-spec cancel_connect_with_nothing_pending_is_ok(config()) -> term().
cancel_connect_with_nothing_pending_is_ok(_) ->
    Socket = unconnected({inet, stream}),
    ?assertEqual(ok, ?S:cancel(Socket, {select_info, connect, make_ref()})),
    close(Socket).

-spec close_aborts_a_pending_connect(config()) -> term().
close_aborts_a_pending_connect(_) ->
    #{socket := Socket, others := Others} = Situation = gosocket_test_blocked:make(connect),
    SelectInfo = gosocket_test_blocked:select(Situation),
    close(Socket),
    await_abort(Socket, SelectInfo, closed),
    close(Others).

%% The kernel says EAGAIN, which is no connect under way (connect(2)).
-spec local_connect_to_a_full_backlog_is_eagain_now_and_waits_later(config()) -> term().
local_connect_to_a_full_backlog_is_eagain_now_and_waits_later(_) ->
    Listener = bound({local, stream}),
    ok = ?S:listen(Listener, 0),
    Address = local_address(Listener),
    First = unconnected({local, stream}),
    ok = ?S:connect(First, Address),
    Socket = unconnected({local, stream}),
    ?assertEqual([{error, eagain}, {error, eagain}], [?S:connect(Socket, Address, Timeout) || Timeout <- [nowait, 0]]),
    ?assertEqual({error, timeout}, ?S:connect(Socket, Address, 50)),
    Connector = start(fun() -> ?S:connect(Socket, Address) end),
    {ok, Accepted} = ?S:accept(Listener, ?PATIENCE),
    ?assertEqual(ok, result(Connector)),
    ?assertMatch({ok, #{family := local}}, ?S:peername(Socket)),
    close([Listener, First, Socket, Accepted]).

-spec udp_connect_again_changes_the_peer(config()) -> term().
udp_connect_again_changes_the_peer(_) ->
    {A, B} = pair({inet, dgram}),
    C = bound({inet, dgram}),
    ?assertEqual(ok, ?S:connect(A, local_address(C), nowait)),
    ok = ?S:send(A, <<"x">>),
    ?assertEqual({ok, <<"x">>}, ?S:recv(C, 0, ?PATIENCE)),
    ?assertEqual({error, timeout}, ?S:recv(B, 0, 0)),
    close({A, B, C}).
