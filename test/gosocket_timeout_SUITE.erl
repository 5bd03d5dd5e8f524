%% Time-outs: the data or the time-out, never both, never early, nothing lost and nothing left in the mailbox.
-module(gosocket_timeout_SUITE).

-export([
    every_blocking_call_times_out_in_its_own_shape/1,
    no_timeout_fires_early/1,
    timeout_0_never_waits_and_leaves_nothing/1,
    timeout_0_still_tries_once/1,
    recv_timeout_returns_partial_data/1,
    recv_timeout_without_data_is_timeout/1,
    recv_0_with_expired_timeout_does_one_read/1,
    partial_data_of_a_timeout_is_not_repeated/1,
    data_racing_a_timeout_is_never_lost/1,
    datagrams_racing_a_timeout_are_never_lost/1,
    connections_racing_a_timeout_are_never_lost/1,
    timed_out_call_leaves_the_socket_usable/1,
    timed_out_call_leaves_the_queue/1,
    queued_call_times_out_at_its_own_deadline/1,
    send_timeout_counts_what_is_left/1,
    send_timeout_counts_exactly_what_is_left/1,
    send_whose_data_are_taken_is_ok_after_its_deadline/1,
    many_timeouts_fire_in_order/1,
    huge_timeouts_wait/1,
    timeout_of_a_full_unconnected_datagram_peer/1,
    sendto_to_a_full_peer_goes_on_when_it_reads/1,
    connect_timeout_leaves_a_socket_that_closes/1,
    connect_after_a_timeout_is_told_the_truth/1
]).

-define(OURS, [
    send_timeout_counts_exactly_what_is_left,
    huge_timeouts_wait,
    timeout_of_a_full_unconnected_datagram_peer, % a millisecond early in the reference
    connect_after_a_timeout_is_told_the_truth
]).
-include("gosocket_test.hrl").

-spec every_blocking_call_times_out_in_its_own_shape(config()) -> term().
every_blocking_call_times_out_in_its_own_shape(_) ->
    [begin
         #{call := Call, socket := Socket, others := Others} = gosocket_test_blocked:make(Name),
         {Elapsed, Result} = elapsed(fun() -> Call(50) end),
         ?assertEqual({Name, gosocket_test_blocked:error(Name, timeout)},
                      {Name, gosocket_test_blocked:outcome(Name, Result)}),
         ?assertMatch({Name, true}, {Name, Elapsed >= 50}),
         no_messages(Socket),
         close([Socket | Others])
     end || Name <- gosocket_test_blocked:names()].

-spec no_timeout_fires_early(config()) -> term().
no_timeout_fires_early(_) ->
    {A, B} = pair({inet, dgram}),
    [begin
         {Elapsed, Result} = elapsed(fun() -> ?S:recv(A, 0, Timeout) end),
         ?assertEqual({error, timeout}, Result),
         ?assertMatch({_, _, true}, {Timeout, Elapsed, Elapsed >= Timeout})
     end || Timeout <- lists:seq(1, 60)],
    close({A, B}).

-spec timeout_0_never_waits_and_leaves_nothing(config()) -> term().
timeout_0_never_waits_and_leaves_nothing(_) ->
    [begin
         #{call := Call, socket := Socket, others := Others, parked := Parked} = gosocket_test_blocked:make(Name),
         ?assertEqual({Name, gosocket_test_blocked:error(Name, timeout)},
                      {Name, gosocket_test_blocked:outcome(Name, Call(0))}),
         no_messages(Socket),
         ?assertEqual({Name, 0}, {Name, maps:get(Parked, ?S:info(Socket), 0)}),
         close([Socket | Others])
     end || Name <- gosocket_test_blocked:names()].

-spec timeout_0_still_tries_once(config()) -> term().
timeout_0_still_tries_once(_) ->
    {A, B} = pair({local, stream}),
    ?assertEqual(ok, ?S:send(A, <<"abc">>, 0)),
    ?assertEqual({ok, <<"abc">>}, ?S:recv(B, 0, 0)),
    ?assertEqual(ok, ?S:send(A, <<"abc">>, 0)),
    ?assertEqual({ok, <<"abc">>}, ?S:recv(B, 3, 0)),
    close({A, B}).

%% ---- receiving ----

-spec recv_timeout_returns_partial_data(config()) -> term().
recv_timeout_returns_partial_data(_) ->
    {A, B} = pair({inet, stream}),
    ok = ?S:send(A, <<"abcd">>),
    ?assertEqual({error, {timeout, <<"abcd">>}}, ?S:recv(B, 10, 50)),
    ok = ?S:send(A, <<"ef">>),
    {ok, _} = ?S:recv(B, 1, [peek]),
    ?assertEqual({error, {timeout, <<"ef">>}}, ?S:recv(B, 10, 0)),
    close({A, B}).

-spec recv_timeout_without_data_is_timeout(config()) -> term().
recv_timeout_without_data_is_timeout(_) ->
    {A, B} = pair({inet, stream}),
    ?assertEqual({error, timeout}, ?S:recv(B, 10, 20)),
    ?assertEqual({error, timeout}, ?S:recv(B, 10, 0)),
    close({A, B}).

-spec recv_0_with_expired_timeout_does_one_read(config()) -> term().
recv_0_with_expired_timeout_does_one_read(_) ->
    {A, B} = pair({local, stream}),
    ok = ?S:setopt(B, otp, rcvbuf, {3, 1000}),
    ok = ?S:send(A, binary:copy(<<"x">>, 2500)),
    {ok, Data} = ?S:recv(B, 0, 0),
    ?assertEqual(1000, byte_size(Data)),
    close({A, B}).

-spec partial_data_of_a_timeout_is_not_repeated(config()) -> term().
partial_data_of_a_timeout_is_not_repeated(_) ->
    {A, B} = pair({inet, stream}),
    ok = ?S:send(A, <<"abcd">>),
    {error, {timeout, <<"abcd">>}} = ?S:recv(B, 10, 20),
    ok = ?S:send(A, <<"efghijkl">>),
    ?assertEqual({ok, <<"efghijkl">>}, ?S:recv(B, 8, ?PATIENCE)),
    close({A, B}).

%% Bytes come about when the reader gives up: each is in one result exactly, in order.
-spec data_racing_a_timeout_is_never_lost(config()) -> term().
data_racing_a_timeout_is_never_lost(_) ->
    {A, B} = pair({inet, stream}),
    Data = random(3000),
    Writer = start(fun() -> trickle(A, Data) end),
    ?assertEqual(Data, gather(B, byte_size(Data), [])),
    ok = result(Writer),
    no_messages(B),
    close({A, B}).

-spec trickle(socket(), binary()) -> ok.
trickle(_, <<>>) ->
    ok;
trickle(Socket, Data) ->
    Size = min(byte_size(Data), rand:uniform(20)),
    {Piece, Rest} = split_binary(Data, Size),
    ok = ?S:send(Socket, Piece),
    pause(rand:uniform(3) - 1),
    trickle(Socket, Rest).

-spec pause(non_neg_integer()) -> ok.
pause(Milliseconds) ->
    receive
    after Milliseconds -> ok
    end.

-spec gather(socket(), non_neg_integer(), iolist()) -> binary().
gather(_, 0, Data) ->
    iolist_to_binary(Data);
gather(Socket, Left, Data) ->
    case ?S:recv(Socket, min(Left, rand:uniform(30)), rand:uniform(3) - 1) of
        {ok, More} -> gather(Socket, Left - byte_size(More), [Data | More]);
        {error, {timeout, More}} -> gather(Socket, Left - byte_size(More), [Data | More]);
        {error, timeout} -> gather(Socket, Left, Data)
    end.

-spec datagrams_racing_a_timeout_are_never_lost(config()) -> term().
datagrams_racing_a_timeout_are_never_lost(_) ->
    {A, B} = pair({local, dgram}),
    Numbers = lists:seq(1, 400),
    Writer = start(fun() ->
        lists:foreach(fun(N) -> ok = ?S:send(A, <<N:32>>), pause(rand:uniform(2) - 1) end, Numbers)
    end),
    ?assertEqual(Numbers, [N || <<N:32>> <- datagrams(B, length(Numbers))]),
    ok = result(Writer),
    no_messages(B),
    close({A, B}).

-spec datagrams(socket(), non_neg_integer()) -> [binary()].
datagrams(_, 0) ->
    [];
datagrams(Socket, Left) ->
    case ?S:recvfrom(Socket, 0, rand:uniform(3) - 1) of
        {ok, {_, Data}} -> [Data | datagrams(Socket, Left - 1)];
        {error, timeout} -> datagrams(Socket, Left)
    end.

-spec connections_racing_a_timeout_are_never_lost(config()) -> term().
connections_racing_a_timeout_are_never_lost(_) ->
    Listener = listener({inet, stream}),
    Address = local_address(Listener),
    Clients = start(fun() ->
        Sockets = [begin
             Client = unconnected({inet, stream}),
             ok = ?S:connect(Client, Address),
             ok = ?S:send(Client, <<N:32>>),
             pause(rand:uniform(2) - 1),
             Client
         end || N <- lists:seq(1, 100)],
        [{error, closed} = ?S:recv(Socket, 0) || Socket <- Sockets],
        close(Sockets)
    end),
    Accepted = accept_all(Listener, 100),
    ?assertEqual(lists:seq(1, 100), lists:sort([N || {ok, <<N:32>>} <- [?S:recv(Socket, 4, ?PATIENCE) || Socket <- Accepted]])),
    close([Listener | Accepted]),
    ok = result(Clients).

-spec accept_all(socket(), non_neg_integer()) -> [socket()].
accept_all(_, 0) ->
    [];
accept_all(Listener, Left) ->
    case ?S:accept(Listener, rand:uniform(3) - 1) of
        {ok, Socket} -> [Socket | accept_all(Listener, Left - 1)];
        {error, timeout} -> accept_all(Listener, Left)
    end.

-spec timed_out_call_leaves_the_socket_usable(config()) -> term().
timed_out_call_leaves_the_socket_usable(_) ->
    {A, B} = pair({inet, stream}),
    {error, timeout} = ?S:recv(B, 0, 20),
    ok = ?S:send(A, <<"abc">>),
    ?assertEqual({ok, <<"abc">>}, ?S:recv(B, 0, ?PATIENCE)),
    Listener = listener({inet, stream}),
    {error, timeout} = ?S:accept(Listener, 20),
    Client = unconnected({inet, stream}),
    Server = accepted(Listener, Client),
    close([A, B, Listener, Client, Server]).

-spec timed_out_call_leaves_the_queue(config()) -> term().
timed_out_call_leaves_the_queue(_) ->
    {A, B} = pair({inet, stream}),
    First = start(fun() -> ?S:recv(B, 0) end),
    await_parked(B, num_readers, 1),
    Second = start(fun() -> ?S:recv(B, 0, 50) end),
    ?assertEqual({error, timeout}, result(Second)),
    await_parked(B, num_readers, 1),
    ok = ?S:send(A, <<"abc">>),
    ?assertEqual({ok, <<"abc">>}, result(First)),
    close({A, B}).

%% The first one waits for ever, those behind it end by the clock, the shortest first.
-spec queued_call_times_out_at_its_own_deadline(config()) -> term().
queued_call_times_out_at_its_own_deadline(_) ->
    {A, B} = pair({inet, stream}),
    First = start(fun() -> ?S:recv(B, 0) end),
    await_parked(B, num_readers, 1),
    Long = start(fun() -> elapsed(fun() -> ?S:recv(B, 0, 200) end) end),
    Short = start(fun() -> elapsed(fun() -> ?S:recvmsg(B, 50) end) end),
    {ShortElapsed, {error, timeout}} = result(Short),
    ?assert(ShortElapsed >= 50 andalso ShortElapsed < 200),
    {LongElapsed, {error, timeout}} = result(Long),
    ?assert(LongElapsed >= 200),
    ok = ?S:send(A, <<"abc">>),
    ?assertEqual({ok, <<"abc">>}, result(First)),
    close({A, B}).

-spec many_timeouts_fire_in_order(config()) -> term().
many_timeouts_fire_in_order(_) ->
    Timeouts = [{N * 7 rem 100 + 10, bound({inet, dgram})} || N <- lists:seq(1, 100)],
    Calls = [start(fun() -> elapsed(fun() -> ?S:recv(Socket, 0, Timeout) end) end) || {Timeout, Socket} <- Timeouts],
    [begin
         {Elapsed, Result} = result(Call),
         ?assertEqual({error, timeout}, Result),
         ?assertMatch({_, _, true}, {Timeout, Elapsed, Elapsed >= Timeout})
     end || {{Timeout, _}, Call} <- lists:zip(Timeouts, Calls)],
    close([Socket || {_, Socket} <- Timeouts]).

%% The reference raises timeout_value.
-spec huge_timeouts_wait(config()) -> term().
huge_timeouts_wait(_) ->
    {A, B} = pair({inet, stream}),
    [begin
         Reader = start(fun() -> ?S:recv(B, 3, Timeout) end),
         await_parked(B, num_readers, 1),
         ok = ?S:send(A, <<"abc">>),
         ?assertEqual({ok, <<"abc">>}, result(Reader))
     end || Timeout <- [1 bsl 32, 1 bsl 53, 1 bsl 63, 1 bsl 64, 1 bsl 200]],
    close({A, B}).

%% ---- sending ----

-spec send_timeout_counts_what_is_left(config()) -> term().
send_timeout_counts_what_is_left(_) ->
    {A, B} = small_pair({inet, stream}),
    Size = 1 bsl 20,
    {error, {timeout, Left}} = ?S:send(A, binary:copy(<<"x">>, Size), 50),
    ?assert(Left > 0 andalso Left =< Size),
    close({A, B}),
    %% a full TCP socket may get room without a reader: its probes take something with them
    {C, D} = small_pair({local, stream}),
    {error, {timeout, _}} = ?S:send(C, binary:copy(<<"x">>, Size), 50),
    {error, {timeout, 5}} = ?S:send(C, <<"12345">>, 0),
    close({C, D}).

%% What the peer gets is what the sender was told was taken.
-spec send_timeout_counts_exactly_what_is_left(config()) -> term().
send_timeout_counts_exactly_what_is_left(_) ->
    [begin
         {A, B} = small_pair(Kind),
         Data = random(1 bsl 20),
         {error, {timeout, Left}} = ?S:send(A, Data, 50),
         ok = ?S:shutdown(A, write),
         ?assertEqual(binary:part(Data, 0, byte_size(Data) - Left), drain(B)),
         close({A, B})
     end || Kind <- stream_kinds()].

-spec send_whose_data_are_taken_is_ok_after_its_deadline(config()) -> term().
send_whose_data_are_taken_is_ok_after_its_deadline(_) ->
    {A, B} = pair({local, stream}),
    [?assertEqual(ok, ?S:send(A, binary:copy(<<"x">>, 20000), Timeout)) || Timeout <- [0, 0, 1]],
    drain(B, 60000),
    close({A, B}).

%% poll(2) calls such a sender writable all the time (unix(7) has no wake-up for it).
-spec timeout_of_a_full_unconnected_datagram_peer(config()) -> term().
timeout_of_a_full_unconnected_datagram_peer(_) ->
    {From, To, Address} = full_datagram_peer(),
    {Elapsed, Result} = elapsed(fun() -> ?S:sendto(From, <<"abc">>, Address, [], 100) end),
    ?assertEqual({error, {timeout, 3}}, Result),
    ?assert(Elapsed >= 100),
    close({From, To}).

-spec sendto_to_a_full_peer_goes_on_when_it_reads(config()) -> term().
sendto_to_a_full_peer_goes_on_when_it_reads(_) ->
    {From, To, Address} = full_datagram_peer(),
    Writer = start(fun() -> ?S:sendto(From, <<"last">>, Address) end),
    ?assertEqual(<<"last">>, last_datagram(To)),
    ?assertEqual(ok, result(Writer)),
    close({From, To}).

-spec full_datagram_peer() -> {From :: socket(), To :: socket(), Address :: map()}.
full_datagram_peer() ->
    From = unconnected({local, dgram}),
    To = bound({local, dgram}),
    Address = local_address(To),
    ok = fill_peer(From, Address),
    {From, To, Address}.

-spec fill_peer(socket(), map()) -> ok.
fill_peer(From, Address) ->
    case ?S:sendto(From, <<"fill">>, Address, [], 0) of
        ok -> fill_peer(From, Address);
        {error, {timeout, 4}} -> ok
    end.

-spec last_datagram(socket()) -> binary().
last_datagram(Socket) ->
    case ?S:recv(Socket, 0, ?PATIENCE) of
        {ok, <<"fill">>} -> last_datagram(Socket);
        {ok, Data} -> Data
    end.

%% ---- connecting ----

-spec connect_timeout_leaves_a_socket_that_closes(config()) -> term().
connect_timeout_leaves_a_socket_that_closes(_) ->
    {Listener, Address, Clients} = full_listener(),
    Socket = unconnected({inet, stream}),
    ?assertEqual({error, timeout}, ?S:connect(Socket, Address, 30)),
    no_messages(Socket),
    close([Socket, Listener | Clients]).

%% The kernel is still at it: ealready, then ok when somebody accepted.
-spec connect_after_a_timeout_is_told_the_truth(config()) -> term().
connect_after_a_timeout_is_told_the_truth(_) ->
    {Listener, Address, Clients} = full_listener(),
    Socket = unconnected({inet, stream}),
    {error, timeout} = ?S:connect(Socket, Address, 30),
    ?assertEqual({error, ealready}, ?S:connect(Socket, Address, 0)),
    ?assertEqual({error, enotconn}, ?S:peername(Socket)),
    Accepted = [Accept || {ok, Accept} <- [?S:accept(Listener, ?PATIENCE) || _ <- Clients]],
    wait_until(fun() -> ?S:connect(Socket, Address, 0) =/= {error, ealready} end),
    ?assertMatch({ok, #{family := inet}}, ?S:peername(Socket)),
    close([Socket, Listener | Clients ++ Accepted]).
