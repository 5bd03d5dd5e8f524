%% Descriptors that travel in messages (SCM_RIGHTS, unix(7)), and sockets made of them. /proc is the second observer.
-module(gosocket_rights_SUITE).

-export([
    passed_socket_is_opened_and_talks/1,
    passed_listener_accepts_in_another_process/1,
    data_is_exactly_the_descriptors/1,
    unopened_descriptors_close_with_their_socket/1,
    unopened_descriptors_close_with_the_owner/1,
    unopened_descriptors_stay_when_their_reader_dies/1,
    opened_without_dup_is_taken_over/1,
    opened_with_dup_leaves_the_received_one/1,
    descriptors_of_a_killed_reader_reach_the_next_one/1,
    descriptors_of_a_killed_reader_close_with_the_socket/1,
    peeked_descriptors_are_none/1,
    descriptors_that_do_not_fit_are_closed/1,
    receiving_without_control_messages_leaves_none/1,
    as_many_are_kept_as_the_option_says/1,
    accepted_sockets_keep_as_many_as_their_listener/1,
    those_that_were_opened_or_closed_do_not_count/1,
    control_messages_beside_what_is_cut_stay_whole/1,
    options_that_give_descriptors_count_as_well/1,
    only_what_came_through_the_socket_is_closed/1,
    descriptor_that_is_not_open_is_ebadf/1,
    descriptors_of_the_helper_itself_are_not_sent_or_opened/1,
    shared_descriptor_lives_as_long_as_one_of_its_sockets/1,
    a_thousand_messages_leave_nothing/1,
    descriptors_go_to_another_process_of_the_system/1
]).

-import(gosocket_test_fd, [helper/0, target/2, holders/2, await_holders/3, fd/1, pass/2, received/1]).

-define(OURS, []).
%% Nobody says whose the descriptors are.
-define(ONE_LANE, gosocket_test_lib:cases(?MODULE)).
-include("gosocket_test.hrl").

%% A socket that only its message holds, and where that arrives.
-spec passed(pos_integer()) -> {socket(), socket(), Target :: string()}.
passed(N) ->
    {A, B} = pair({local, stream}),
    ok = ?S:setopt(A, otp, sndctrlbuf, 4096),
    {ok, Socket} = ?S:open(inet, dgram),
    FD = fd(Socket),
    Target = target(helper(), FD),
    ok = pass(A, lists:duplicate(N, FD)),
    close({Socket}),
    await_holders(helper(), Target, 0),
    {A, B, Target}.

-spec passed_socket_is_opened_and_talks(config()) -> term().
passed_socket_is_opened_and_talks(_) ->
    [begin
         {A, B} = pair(Kind),
         {C, D} = pair({inet, stream}),
         ok = pass(A, [fd(D)]),
         close({D}),
         Receiver = start(fun() ->
             [FD] = received(B),
             {ok, Socket} = ?S:open(FD, #{dup => false}),
             ok = ?S:send(Socket, <<"hello">>),
             ?S:recv(Socket, 5)
         end),
         ?assertEqual({ok, <<"hello">>}, ?S:recv(C, 5, ?PATIENCE)),
         ok = ?S:send(C, <<"world">>),
         ?assertEqual({ok, <<"world">>}, result(Receiver)),
         ?assertEqual({error, closed}, ?S:recv(C, 0, ?PATIENCE)), % with its new owner
         close({A, B, C})
     end || Kind <- [{local, stream}, {local, dgram}, {local, seqpacket}]].

-spec passed_listener_accepts_in_another_process(config()) -> term().
passed_listener_accepts_in_another_process(_) ->
    {A, B} = pair({local, stream}),
    Listener = listener({inet, stream}),
    Address = local_address(Listener),
    ok = pass(A, [fd(Listener)]),
    close({Listener}),
    [FD] = received(B),
    {ok, Taken} = ?S:open(FD, #{dup => false}),
    Acceptor = start(fun() -> {ok, S} = ?S:accept(Taken), ?S:recv(S, 1) end),
    await_parked(Taken, num_acceptors, 1),
    {ok, Client} = ?S:open(inet, stream),
    ok = ?S:connect(Client, Address),
    ok = ?S:send(Client, <<"x">>),
    ?assertEqual({ok, <<"x">>}, result(Acceptor)),
    close({A, B, Taken, Client}).

-spec data_is_exactly_the_descriptors(config()) -> term().
data_is_exactly_the_descriptors(_) ->
    [begin
         {A, B, _} = passed(N),
         {ok, #{ctrl := Ctrl, flags := [], iov := [<<"data">>]}} = ?S:recvmsg(B, 0, 4096, [], ?PATIENCE),
         ?assertMatch([#{level := socket, type := rights, data := Data}] when byte_size(Data) =:= 4 * N, Ctrl),
         close({A, B})
     end || N <- [1, 2, 3, 253]]. % SCM_MAX_FD

-spec unopened_descriptors_close_with_their_socket(config()) -> term().
unopened_descriptors_close_with_their_socket(_) ->
    {A, B, Target} = passed(3),
    ?assertMatch([_, _, _], received(B)),
    ?assertEqual(3, holders(helper(), Target)),
    close({A, B}),
    await_holders(helper(), Target, 0).

-spec unopened_descriptors_close_with_the_owner(config()) -> term().
unopened_descriptors_close_with_the_owner(_) ->
    {A, B, Target} = passed(2),
    Owner = actor(),
    ok = ?S:setopt(B, otp, controlling_process, Owner),
    ?assertMatch([_, _], received(B)),
    ?assertEqual(2, holders(helper(), Target)),
    kill(Owner),
    await_holders(helper(), Target, 0),
    close({A}).

-spec unopened_descriptors_stay_when_their_reader_dies(config()) -> term().
unopened_descriptors_stay_when_their_reader_dies(_) ->
    {A, B, Target} = passed(1),
    [FD] = result(start(fun() -> received(B) end)),
    ?assertEqual(Target, target(helper(), FD)),
    {ok, Socket} = ?S:open(FD, #{dup => false}),
    ?assertMatch(#{type := dgram}, ?S:info(Socket)),
    close({A, B, Socket}),
    await_holders(helper(), Target, 0).

-spec opened_without_dup_is_taken_over(config()) -> term().
opened_without_dup_is_taken_over(_) ->
    {A, B, Target} = passed(1),
    [FD] = received(B),
    {ok, Socket} = ?S:open(FD, #{dup => false}),
    ?assertEqual(FD, fd(Socket)),
    ?assertMatch(#{ctype := fromfd}, ?S:info(Socket)),
    close({A, B}),
    ?assertEqual(1, holders(helper(), Target)),
    {ok, _} = ?S:bind(Socket, loopback),
    close({Socket}),
    await_holders(helper(), Target, 0).

-spec opened_with_dup_leaves_the_received_one(config()) -> term().
opened_with_dup_leaves_the_received_one(_) ->
    {A, B, Target} = passed(1),
    [FD] = received(B),
    {ok, First} = ?S:open(FD),
    {ok, Second} = ?S:open(FD),
    ?assertMatch(#{ctype := {fromfd, FD}}, ?S:info(First)),
    ?assertEqual(3, holders(helper(), Target)),
    close({A, B}),
    await_holders(helper(), Target, 2),
    {ok, _} = ?S:bind(First, loopback),
    ?assertEqual(?S:sockname(First), ?S:sockname(Second)),
    close({First, Second}),
    await_holders(helper(), Target, 0).

%% ---- readers that die ----

%% A message with two descriptors, from the VM itself, for a reader that dies before it is delivered.
-spec read_by_the_dead() -> {socket(), Target :: string()}.
read_by_the_dead() ->
    Socket = bound({local, dgram}),
    #{path := Path} = local_address(Socket),
    {ok, Udp} = gen_udp:open(0),
    {ok, FD} = inet:getfd(Udp),
    Target = target(os:getpid(), FD),
    {ok, Peer} = socket:open(local, dgram),
    Reader = start(fun() -> ?S:recvmsg(Socket) end),
    await_parked(Socket, num_readers, 1),
    killed_before_delivery(Reader, fun() ->
        socket:sendmsg(Peer, #{addr => #{family => local, path => list_to_binary(Path)},
                               iov => [<<"data">>], ctrl => [gosocket_test_fd:rights([FD, FD])]})
    end),
    ok = socket:close(Peer),
    ok = gen_udp:close(Udp),
    {Socket, Target}.

-spec descriptors_of_a_killed_reader_reach_the_next_one(config()) -> term().
descriptors_of_a_killed_reader_reach_the_next_one(_) ->
    {Socket, Target} = read_by_the_dead(),
    [FD, _] = received(Socket),
    ?assertEqual(Target, target(helper(), FD)),
    {ok, Taken} = ?S:open(FD, #{dup => false}),
    close({Socket}),
    await_holders(helper(), Target, 1),
    ?assertMatch({ok, #{family := inet}}, ?S:sockname(Taken)),
    close({Taken}),
    await_holders(helper(), Target, 0).

-spec descriptors_of_a_killed_reader_close_with_the_socket(config()) -> term().
descriptors_of_a_killed_reader_close_with_the_socket(_) ->
    {Socket, Target} = read_by_the_dead(),
    ?assertEqual(2, holders(helper(), Target)),
    close({Socket}),
    await_holders(helper(), Target, 0).

%% ---- descriptors that nobody gets ----

-spec peeked_descriptors_are_none(config()) -> term().
peeked_descriptors_are_none(_) ->
    {A, B, Target} = passed(2),
    [begin
         {ok, MsgHdr} = ?S:recvmsg(B, [peek], ?PATIENCE),
         ?assertEqual([-1, -1], gosocket_test_fd:carried(MsgHdr)),
         ?assertEqual(0, holders(helper(), Target))
     end || _ <- lists:seq(1, 3)],
    ?assertMatch([_, _], received(B)),
    ?assertEqual(2, holders(helper(), Target)),
    close({A, B}).

-spec descriptors_that_do_not_fit_are_closed(config()) -> term().
descriptors_that_do_not_fit_are_closed(_) ->
    {A, B, Target} = passed(5),
    {ok, #{flags := Flags} = MsgHdr} = ?S:recvmsg(B, 0, 16 + 2 * 4, [], ?PATIENCE),
    ?assertEqual({[ctrunc], 2}, {Flags, length(gosocket_test_fd:carried(MsgHdr))}),
    ?assertEqual(2, holders(helper(), Target)),
    close({A, B}),
    await_holders(helper(), Target, 0).

-spec receiving_without_control_messages_leaves_none(config()) -> term().
receiving_without_control_messages_leaves_none(_) ->
    [begin
         {A, B, Target} = passed(3),
         {ok, _} = Receive(B),
         ?assertEqual(0, holders(helper(), Target)),
         close({A, B})
     end || Receive <- [fun(B) -> ?S:recv(B, 0, ?PATIENCE) end,
                        fun(B) -> ?S:recv(B, 4, ?PATIENCE) end,
                        fun(B) -> ?S:recvfrom(B, 0, ?PATIENCE) end,
                        fun(B) -> ?S:recvmsg(B, 0, 8, [], ?PATIENCE) end]].

%% ---- as many as may be kept ----

%% Flags and descriptors of the next message.
-spec flagged(socket()) -> {[atom()], [integer()]}.
flagged(Socket) ->
    {ok, #{flags := Flags, ctrl := Ctrl, iov := [<<"data">>]}} = ?S:recvmsg(Socket, 0, 4096, [], ?PATIENCE),
    {Flags, [FD || #{type := rights, data := Data} <- Ctrl, <<FD:32/native-signed>> <= Data]}.

%% Proves: otp max_received_fds
-spec as_many_are_kept_as_the_option_says(config()) -> term().
as_many_are_kept_as_the_option_says(_) ->
    [begin
         {A, B, Target} = passed(5),
         ?assertEqual({ok, 253}, ?S:getopt(B, otp, max_received_fds)),
         ok = ?S:setopt(B, otp, max_received_fds, Limit),
         ?assertEqual({ok, Limit}, ?S:getopt(B, otp, max_received_fds)),
         {Flags, FDs} = flagged(B),
         ?assertEqual({Limit, Kept, [ctrunc || Kept < 5]}, {Limit, length(FDs), Flags}),
         ?assertEqual([Target || _ <- FDs], [target(helper(), FD) || FD <- FDs]),
         ?assertEqual(Kept, holders(helper(), Target)),
         ok = ?S:setopt(B, otp, max_received_fds, default),
         ?assertEqual({ok, 253}, ?S:getopt(B, otp, max_received_fds)),
         close({A, B}),
         await_holders(helper(), Target, 0)
     end || {Limit, Kept} <- [{0, 0}, {1, 1}, {4, 4}, {5, 5}, {16#7fffffff, 5}]].

-spec accepted_sockets_keep_as_many_as_their_listener(config()) -> term().
accepted_sockets_keep_as_many_as_their_listener(_) ->
    Listener = listener({local, stream}, fun(Socket) -> ?S:setopt(Socket, otp, max_received_fds, 3) end),
    Client = unconnected({local, stream}),
    Accepted = accepted(Listener, Client),
    FD = fd(Listener),
    [ok = pass(Client, [FD, FD]) || _ <- [1, 2, 3]],
    ?assertMatch({[], [_, _]}, flagged(Accepted)),
    ?assertMatch({[ctrunc], [_]}, flagged(Accepted)),
    ?assertEqual({[ctrunc], []}, flagged(Accepted)),
    close({Accepted, Client, Listener}).

-spec those_that_were_opened_or_closed_do_not_count(config()) -> term().
those_that_were_opened_or_closed_do_not_count(_) ->
    {A, B} = pair({local, stream}),
    ok = ?S:setopt(B, otp, max_received_fds, 2),
    {ok, Passed} = ?S:open(inet, dgram),
    FD = fd(Passed),
    Next = fun() -> ok = pass(A, [FD]), flagged(B) end,
    {[], [First]} = Next(),
    {[], [Second]} = Next(),
    ?assertEqual({[ctrunc], []}, Next()),
    ok = ?S:close_fd(B, First),
    {[], [Third]} = Next(),
    ?assertEqual({[ctrunc], []}, Next()),
    {ok, Taken} = ?S:open(Second, #{dup => false}),
    {[], [_]} = Next(),
    ?assertEqual({[ctrunc], []}, Next()),
    {ok, Copy} = ?S:open(Third),
    ?assertEqual({[ctrunc], []}, Next()),
    close({A, B, Taken, Copy, Passed}).

-spec control_messages_beside_what_is_cut_stay_whole(config()) -> term().
control_messages_beside_what_is_cut_stay_whole(_) ->
    [begin
         {A, B} = pair({local, dgram}),
         ok = ?S:setopt(B, socket, passcred, true),
         ok = ?S:setopt(B, socket, timestamp, true),
         ok = ?S:setopt(B, otp, max_received_fds, Limit),
         ok = pass(A, [fd(A), fd(A), fd(A)]),
         {ok, #{ctrl := Ctrl, flags := [ctrunc]}} = ?S:recvmsg(B, 0, 4096, [], ?PATIENCE),
         Pid = list_to_integer(helper()),
         ?assertMatch([<<Pid:32/native, _:8/binary>>], [Data || #{type := credentials, data := Data} <- Ctrl]),
         ?assertMatch([#{sec := _, usec := _}], [Data || #{type := timestamp, data := Data} <- Ctrl]),
         ?assertEqual([4 * Limit || Limit > 0], [byte_size(Data) || #{type := rights, data := Data} <- Ctrl]),
         close({A, B})
     end || Limit <- [0, 1, 2]].

-spec options_that_give_descriptors_count_as_well(config()) -> term().
options_that_give_descriptors_count_as_well(_) ->
    {A, B} = pair({local, stream}),
    ok = ?S:setopt(B, otp, max_received_fds, 2),
    {ok, First} = peer_process(B),
    {ok, _} = peer_process(B),
    ?assertEqual({error, emfile}, peer_process(B)),
    ok = ?S:close_fd(B, First),
    ?assertMatch({ok, _}, peer_process(B)),
    close({A, B}).

-spec peer_process(socket()) -> {ok, integer()} | {error, atom()}.
peer_process(Socket) ->
    Result = ?S:getopt(Socket, socket, peerpidfd),
    skip_unless(Result =/= {error, enoprotoopt}, "this kernel has no SO_PEERPIDFD"),
    Result.

-spec only_what_came_through_the_socket_is_closed(config()) -> term().
only_what_came_through_the_socket_is_closed(_) ->
    {A, B, Target} = passed(2),
    [First, Second] = received(B),
    [?assertEqual({FD, {error, ebadf}}, {FD, ?S:close_fd(B, FD)}) || FD <- [-1, 0, 1, 2, fd(A), fd(B), 19999, 1 bsl 30]],
    ?assertEqual({error, ebadf}, ?S:close_fd(A, First)),
    ok = ?S:close_fd(B, First),
    ?assertEqual({error, ebadf}, ?S:close_fd(B, First)),
    ?assertEqual(1, holders(helper(), Target)),
    {ok, Taken} = ?S:open(Second, #{dup => false}),
    ?assertEqual({error, ebadf}, ?S:close_fd(B, Second)),
    close(B),
    ?assertEqual({error, closed}, ?S:close_fd(B, Second)),
    [?assertError(badarg, ?S:close_fd(Socket, FD)) || {Socket, FD} <- [{B, foo}, {B, 1 bsl 31}, {foo, 1}, {{'$socket', make_ref()}, 1}]],
    ?assertEqual(1, holders(helper(), Target)),
    close({A, Taken}).

%% ---- what cannot be sent ----

-spec descriptor_that_is_not_open_is_ebadf(config()) -> term().
descriptor_that_is_not_open_is_ebadf(_) ->
    {A, B} = pair({local, stream}),
    [?assertEqual({FD, {error, ebadf}}, {FD, pass(A, [fd(B), FD])}) || FD <- [-1, 19999, 1 bsl 30]],
    ?assertEqual({error, timeout}, ?S:recv(B, 0, 0)),
    close({A, B}).

-spec descriptors_of_the_helper_itself_are_not_sent_or_opened(config()) -> term().
descriptors_of_the_helper_itself_are_not_sent_or_opened(_) ->
    {A, B} = pair({local, stream}),
    Ours = [fd(Socket) || Socket <- ?S:which_sockets()],
    {ok, Names} = file:list_dir("/proc/" ++ helper() ++ "/fd"),
    Own = [FD || FD <- lists:map(fun list_to_integer/1, Names), not lists:member(FD, Ours)],
    ?assert(length(Own) >= 7), % 0, 1, 2, two pipes, epoll and eventfd
    [?assertEqual({FD, {error, ebadf}, {error, epfnosupport}, {error, epfnosupport}},
                  {FD, pass(A, [FD]), ?S:open(FD), ?S:open(FD, #{dup => false})}) || FD <- Own],
    close({A, B}).

%% ---- sharing ----

%% In OTP's own module the other socket is left with a number that may come to mean anything.
-spec shared_descriptor_lives_as_long_as_one_of_its_sockets(config()) -> term().
shared_descriptor_lives_as_long_as_one_of_its_sockets(_) ->
    {A, B} = pair({inet, stream}),
    FD = fd(B),
    Target = target(helper(), FD),
    Owner = actor(),
    {ok, Shared} = run(Owner, fun() -> ?S:open(FD, #{dup => false}) end),
    close({B}),
    {ok, Other} = ?S:open(inet, dgram),
    ?assertNotEqual(FD, fd(Other)),
    ok = ?S:send(A, <<"x">>),
    ?assertEqual({ok, <<"x">>}, ?S:recv(Shared, 1, ?PATIENCE)),
    kill(Owner),
    ?assertEqual({error, closed}, ?S:recv(A, 0, ?PATIENCE)),
    await_holders(helper(), Target, 0),
    close({A, Other}).

-spec a_thousand_messages_leave_nothing(config()) -> term().
a_thousand_messages_leave_nothing(_) ->
    {A, B} = pair({local, stream}),
    {ok, Socket} = ?S:open(inet, dgram),
    FD = fd(Socket),
    Target = target(helper(), FD),
    [begin
         ok = pass(A, [FD]),
         [Received] = received(B),
         {ok, Taken} = ?S:open(Received, #{dup => false}),
         ok = ?S:close(Taken)
     end || _ <- lists:seq(1, 1000)],
    await_holders(helper(), Target, 1),
    close({A, B, Socket}).

%% ---- across processes of the system ----

-spec descriptors_go_to_another_process_of_the_system(config()) -> term().
descriptors_go_to_another_process_of_the_system(_) ->
    Port = gosocket_test_bare:bare([]),
    Ask = fun(Call) -> gosocket_test_bare:ask(Port, Call) end,
    Listener = bound({local, stream}),
    ok = ?S:listen(Listener),
    {ok, {There, 1, 1, _, 0}} = Ask({open, me, local, stream, default, #{}}),
    ok = Ask({connect, There, me, local_address(Listener), 5000, []}),
    {ok, Here} = ?S:accept(Listener, ?PATIENCE),
    {C, D} = pair({inet, stream}),
    ok = pass(Here, [fd(D)]),
    close({D}),
    {ok, MsgHdr} = Ask({recvmsg, There, me, 0, 0, [], 5000, []}),
    [FD] = gosocket_test_fd:carried(MsgHdr),
    {ok, {Taken, 2, 1, 6, 1}} = Ask({openfd, me, FD, #{dup => false}}),
    ok = Ask({send, Taken, me, [], 5000, [], 5, <<"hello">>}),
    ?assertEqual({ok, <<"hello">>}, ?S:recv(C, 5, ?PATIENCE)),
    ok = Ask({close, Taken, me}),
    ?assertEqual({error, closed}, ?S:recv(C, 0, ?PATIENCE)),
    true = port_close(Port),
    close({C, Here, Listener}).
