%% Much data, many callers: order, turns, credit, and bounds.
-module(gosocket_flow_SUITE).

-export([
    two_processes_receive_in_the_order_they_asked/1,
    every_datagram_goes_to_one_of_many_receivers/1,
    every_connection_goes_to_one_of_many_acceptors/1,
    writers_do_not_interleave/1,
    nowait_writer_gives_the_rest_to_send_again/1,
    sendmsg_gives_the_rest_as_an_iovec/1,
    sendmsg_of_merged_data_gives_the_rest/1,
    more_than_iov_max_elements_are_emsgsize/1,
    rest_of_sendmsg_is_of_the_parts_of_the_caller/1,
    a_list_in_the_iov_is_one_part/1,
    small_elements_count_as_one/1,
    recv_of_16_mib_is_one_result/1,
    part_of_many_mib_comes_with_the_timeout/1,
    part_of_many_mib_comes_with_the_end_of_stream/1,
    both_directions_at_once/1,
    largest_udp_datagram_passes_and_one_more_byte_is_emsgsize/1,
    datagram_of_several_windows_is_one/1,
    send_of_64_mib_to_a_slow_reader_leaves_others_their_turn/1,
    a_thousand_stuck_senders_do_not_stop_recv_and_close/1,
    parked_payload_does_not_grow_the_helper/1,
    unasked_data_stay_in_the_kernel/1,
    many_callers_at_once_get_their_own_answers/1
]).

-define(OURS, [
    more_than_iov_max_elements_are_emsgsize, % does not return
    rest_of_sendmsg_is_of_the_parts_of_the_caller,
    a_list_in_the_iov_is_one_part,
    sendmsg_of_merged_data_gives_the_rest,
    parked_payload_does_not_grow_the_helper,
    unasked_data_stay_in_the_kernel
]).
-include("gosocket_test.hrl").

-define(MIB, (1 bsl 20)).

%% ---- turns ----

-spec two_processes_receive_in_the_order_they_asked(config()) -> term().
two_processes_receive_in_the_order_they_asked(_) ->
    {A, B} = pair({inet, stream}),
    Readers = [begin
         Reader = start(fun() -> ?S:recv(B, 2) end),
         await_parked(B, num_readers, N),
         Reader
     end || N <- [1, 2]],
    ok = ?S:send(A, <<"1122">>),
    ?assertEqual([{ok, <<"11">>}, {ok, <<"22">>}], [result(Reader) || Reader <- Readers]),
    close({A, B}).

-spec every_datagram_goes_to_one_of_many_receivers(config()) -> term().
every_datagram_goes_to_one_of_many_receivers(_) ->
    {A, B} = pair({local, dgram}),
    Numbers = lists:seq(1, 800),
    Receivers = [start(fun() -> numbers(B, []) end) || _ <- lists:seq(1, 8)],
    [ok = ?S:send(A, <<N:32>>) || N <- Numbers ++ lists:duplicate(8, 0)],
    Got = [result(Receiver) || Receiver <- Receivers],
    ?assertEqual(Numbers, lists:sort(lists:append(Got))),
    [?assertEqual(lists:sort(Some), Some) || Some <- Got],
    close({A, B}).

-spec numbers(socket(), [pos_integer()]) -> [pos_integer()].
numbers(Socket, Got) ->
    case ?S:recv(Socket, 0) of
        {ok, <<0:32>>} -> lists:reverse(Got);
        {ok, <<N:32>>} -> numbers(Socket, [N | Got])
    end.

-spec every_connection_goes_to_one_of_many_acceptors(config()) -> term().
every_connection_goes_to_one_of_many_acceptors(_) ->
    Listener = listener({inet, stream}),
    Address = local_address(Listener),
    Acceptors = [start(fun() -> greet(Listener, 25) end) || _ <- lists:seq(1, 8)],
    await_parked(Listener, num_acceptors, 8),
    Clients = [begin
         Client = unconnected({inet, stream}),
         ok = ?S:connect(Client, Address),
         Client
     end || _ <- lists:seq(1, 200)],
    ?assertEqual(lists:duplicate(200, {ok, <<"hello">>}), [?S:recv(Client, 5, ?PATIENCE) || Client <- Clients]),
    ?assertEqual(lists:duplicate(8, ok), [result(Acceptor) || Acceptor <- Acceptors]),
    close([Listener | Clients]).

-spec greet(socket(), non_neg_integer()) -> ok.
greet(_, 0) ->
    ok;
greet(Listener, Left) ->
    {ok, Socket} = ?S:accept(Listener),
    ok = ?S:send(Socket, <<"hello">>),
    ok = ?S:close(Socket),
    greet(Listener, Left - 1).

%% A writer has its turn until its data are out.
-spec writers_do_not_interleave(config()) -> term().
writers_do_not_interleave(_) ->
    {A, B} = small_pair({inet, stream}),
    Size = 700000,
    Writers = [start(fun() -> ?S:send(A, binary:copy(<<N>>, Size)) end) || N <- lists:seq(1, 10)],
    {ok, Data} = ?S:recv(B, 10 * Size, 60000),
    Runs = [binary:part(Data, I * Size, Size) || I <- lists:seq(0, 9)],
    ?assertEqual(lists:seq(1, 10), lists:sort([binary:first(Run) || Run <- Runs])),
    [?assert(binary:copy(binary:part(Run, 0, 1), Size) =:= Run) || Run <- Runs],
    ?assertEqual(lists:duplicate(10, ok), [result(Writer) || Writer <- Writers]),
    close({A, B}).

%% ---- the rest ----

-spec nowait_writer_gives_the_rest_to_send_again(config()) -> term().
nowait_writer_gives_the_rest_to_send_again(_) ->
    [begin
         {A, B} = small_pair(Kind),
         Data = random(3 * ?MIB),
         Reader = start(fun() -> ?S:recv(B, byte_size(Data)) end),
         Selects = send_on(A, Data, 0),
         ?assert(Selects > 0),
         ?assert({ok, Data} =:= result(Reader)),
         no_messages(A),
         close({A, B})
     end || Kind <- stream_kinds()].

-spec send_on(socket(), binary(), non_neg_integer()) -> non_neg_integer().
send_on(Socket, Data, Selects) ->
    case ?S:send(Socket, Data, nowait) of
        ok ->
            Selects;
        {ok, {Rest, SelectInfo}} ->
            await_select(Socket, SelectInfo),
            send_on(Socket, Rest, Selects + 1);
        {select, SelectInfo} ->
            await_select(Socket, SelectInfo),
            send_on(Socket, Data, Selects + 1)
    end.

-spec sendmsg_gives_the_rest_as_an_iovec(config()) -> term().
sendmsg_gives_the_rest_as_an_iovec(_) ->
    {A, B} = small_pair({local, stream}),
    Elements = [random(Size) || Size <- [300, 100000, 1, 64000, 200000, 4096, 300000]],
    Data = iolist_to_binary(Elements),
    {ok, Rest} = ?S:sendmsg(A, #{iov => Elements}),
    ?assert(is_list(Rest) andalso lists:all(fun is_binary/1, Rest)),
    Left = iolist_size(Rest),
    ?assert(binary:part(Data, byte_size(Data), -Left) =:= iolist_to_binary(Rest)),
    Reader = start(fun() -> ?S:recv(B, byte_size(Data)) end),
    ok = sendmsg_on(A, Rest),
    ?assert({ok, Data} =:= result(Reader)),
    close({A, B}).

-spec sendmsg_on(socket(), [iodata()]) -> ok.
sendmsg_on(Socket, Elements) ->
    case ?S:sendmsg(Socket, #{iov => Elements}) of
        ok -> ok;
        {ok, Rest} -> sendmsg_on(Socket, Rest)
    end.

%% The reference cuts its rest from the caller's list although it has sent another.
-spec sendmsg_of_merged_data_gives_the_rest(config()) -> term().
sendmsg_of_merged_data_gives_the_rest(_) ->
    {A, B} = small_pair({local, stream}),
    Elements = [[binary:copy(<<(N rem 256)>>, 100), "and", [N rem 256]] || N <- lists:seq(1, 10000)],
    Data = iolist_to_binary(Elements),
    {ok, Rest} = ?S:sendmsg(A, #{iov => Elements}),
    Reader = start(fun() -> ?S:recv(B, byte_size(Data)) end),
    ok = sendmsg_on(A, Rest),
    ?assert({ok, Data} =:= result(Reader)),
    close({A, B}).

-spec more_than_iov_max_elements_are_emsgsize(config()) -> term().
more_than_iov_max_elements_are_emsgsize(_) ->
    [begin
         {A, B} = pair(Kind),
         [?assertEqual({Kind, Count, Size, {error, emsgsize}},
                       {Kind, Count, Size, ?S:sendmsg(A, #{iov => lists:duplicate(Count, binary:copy(<<"e">>, Size))}, 0)})
          || {Count, Sizes} <- [{1025, [256, 300, 512, 513, 1024, 4096]}, {65536, [300]}, {70000, [300]}], Size <- Sizes],
         ?assertEqual({error, timeout}, ?S:recv(B, 0, 0)),
         close({A, B})
     end || Kind <- [{local, stream}, {local, dgram}]].

%% However much of it was taken: the parts that are left are the caller's, and can be sent again.
-spec rest_of_sendmsg_is_of_the_parts_of_the_caller(config()) -> term().
rest_of_sendmsg_is_of_the_parts_of_the_caller(_) ->
    [begin
         {A, B} = small_pair({local, stream}),
         Parts = [random(Size) || _ <- lists:seq(1, Count)],
         Data = iolist_to_binary(Parts),
         {ok, Rest} = ?S:sendmsg(A, #{iov => case Form of binaries -> Parts; lists -> [[Part] || Part <- Parts] end}),
         Taken = byte_size(Data) - iolist_size(Rest),
         Cut = binary:part(lists:nth(Taken div Size + 1, Parts), Taken rem Size, Size - Taken rem Size),
         ?assertEqual({Size, Form, [Cut | lists:nthtail(Taken div Size + 1, Parts)]}, {Size, Form, Rest}),
         Reader = start(fun() -> ?S:recv(B, byte_size(Data)) end),
         ok = sendmsg_on(A, Rest),
         ?assert({ok, Data} =:= result(Reader)),
         close({A, B})
     end || {Count, Size} <- [{20000, 64}, {5000, 255}, {1024, 300}, {1024, 512}, {1024, 2000}, {3, 400000}],
            Form <- [binaries, lists]].

-spec a_list_in_the_iov_is_one_part(config()) -> term().
a_list_in_the_iov_is_one_part(_) ->
    {A, B} = small_pair({local, stream}),
    Part = [random(300) || _ <- lists:seq(1, 2000)],
    {ok, Rest} = ?S:sendmsg(A, #{iov => [Part]}),
    ?assertMatch([_], Rest),
    Reader = start(fun() -> ?S:recv(B, 600001) end),
    ok = sendmsg_on(A, Rest),
    ok = sendmsg_on(A, "!"),
    ?assert({ok, iolist_to_binary([Part, $!])} =:= result(Reader)),
    close({A, B}).

-spec small_elements_count_as_one(config()) -> term().
small_elements_count_as_one(_) ->
    {A, B} = pair({local, stream}),
    ?assertEqual(ok, ?S:sendmsg(A, #{iov => lists:duplicate(2000, <<"s">>)})),
    ?assertEqual({ok, binary:copy(<<"s">>, 2000)}, ?S:recv(B, 2000, ?PATIENCE)),
    Element = binary:copy(<<"e">>, 300),
    Writer = start(fun() -> sendmsg_on(A, lists:duplicate(1024, Element)) end),
    {ok, Data} = ?S:recv(B, 1024 * 300, ?PATIENCE),
    ?assert(binary:copy(Element, 1024) =:= Data),
    ?assertEqual(ok, result(Writer)),
    close({A, B}).

%% ---- much ----

-spec recv_of_16_mib_is_one_result(config()) -> term().
recv_of_16_mib_is_one_result(_) ->
    [begin
         {A, B} = pair(Kind),
         Data = random(16 * ?MIB),
         Writer = start(fun() -> ?S:send(A, Data) end),
         {ok, Received} = ?S:recv(B, byte_size(Data), 60000),
         ?assert(Received =:= Data),
         ?assertEqual(ok, result(Writer)),
         close({A, B})
     end || Kind <- stream_kinds()].

-spec part_of_many_mib_comes_with_the_timeout(config()) -> term().
part_of_many_mib_comes_with_the_timeout(_) ->
    {A, B} = pair({inet, stream}),
    Data = random(5 * ?MIB + 3),
    Writer = start(fun() -> ?S:send(A, Data) end),
    {error, {timeout, Part}} = ?S:recv(B, byte_size(Data) + 1, 2000),
    ?assertEqual(ok, result(Writer)),
    ?assert(Part =:= Data),
    close({A, B}).

-spec part_of_many_mib_comes_with_the_end_of_stream(config()) -> term().
part_of_many_mib_comes_with_the_end_of_stream(_) ->
    {A, B} = pair({inet, stream}),
    Data = random(5 * ?MIB + 3),
    Writer = start(fun() -> ok = ?S:send(A, Data), ?S:shutdown(A, write) end),
    {error, {closed, Part}} = ?S:recv(B, byte_size(Data) + 1, 60000),
    ?assert(Part =:= Data),
    ?assertEqual(ok, result(Writer)),
    close({A, B}).

-spec both_directions_at_once(config()) -> term().
both_directions_at_once(_) ->
    {A, B} = small_pair({inet, stream}),
    Data = random(4 * ?MIB),
    Writers = [start(fun() -> ?S:send(Socket, Data) end) || Socket <- [A, B]],
    Readers = [start(fun() -> ?S:recv(Socket, byte_size(Data)) end) || Socket <- [A, B]],
    [?assert({ok, Data} =:= result(Reader, 60000)) || Reader <- Readers],
    ?assertEqual([ok, ok], [result(Writer) || Writer <- Writers]),
    close({A, B}).

-spec largest_udp_datagram_passes_and_one_more_byte_is_emsgsize(config()) -> term().
largest_udp_datagram_passes_and_one_more_byte_is_emsgsize(_) ->
    {A, B} = pair({inet, dgram}),
    Data = random(65507),
    ok = ?S:setopt(B, otp, rcvbuf, 65536),
    ?assertEqual(ok, ?S:send(A, Data)),
    ?assertEqual({ok, Data}, ?S:recv(B, 0, ?PATIENCE)),
    ?assertEqual({error, {emsgsize, 65508}}, ?S:send(A, <<Data/binary, 0>>)),
    ?assertEqual({error, {emsgsize, 65508}}, ?S:sendto(A, <<Data/binary, 0>>, local_address(B))),
    ?assertEqual({error, emsgsize}, ?S:sendmsg(A, #{iov => [Data, <<0>>]})),
    close({A, B}).

-spec datagram_of_several_windows_is_one(config()) -> term().
datagram_of_several_windows_is_one(_) ->
    [begin
         {A, B} = pair(Kind),
         ok = ?S:setopt(A, socket, sndbuf, 4 * ?MIB),
         Data = random(?MIB + 17),
         ok = ?S:setopt(B, otp, rcvbuf, 2 * ?MIB),
         [begin
              ?assertEqual(ok, Send()),
              {ok, Received} = ?S:recv(B, 0, ?PATIENCE),
              ?assert(Received =:= Data)
          end || Send <- [fun() -> ?S:send(A, Data) end, fun() -> ?S:send(A, Data, nowait) end,
                          fun() -> ?S:sendmsg(A, #{iov => [Data]}) end]],
         close({A, B})
     end || Kind <- [{local, dgram}, {local, seqpacket}]].

%% ---- others ----

%% Behind each MiB that the slow one takes another pair of sockets has its turn.
-spec send_of_64_mib_to_a_slow_reader_leaves_others_their_turn(config()) -> term().
send_of_64_mib_to_a_slow_reader_leaves_others_their_turn(_) ->
    {A, B} = pair({inet, stream}),
    {C, D} = pair({inet, stream}),
    Block = random(?MIB - 4),
    Data = << <<N:32, Block/binary>> || N <- lists:seq(1, 64) >>,
    Writer = start(fun() -> ?S:send(A, Data) end),
    {Hash, Longest} = lists:foldl(fun(_, {Hash, Longest}) ->
        {ok, Part} = ?S:recv(B, ?MIB, ?PATIENCE),
        {Elapsed, ok} = elapsed(fun() -> ping_pong(C, D, 20) end),
        {erlang:md5_update(Hash, Part), max(Longest, Elapsed)}
    end, {erlang:md5_init(), 0}, lists:seq(1, 64)),
    ?assertEqual(erlang:md5(Data), erlang:md5_final(Hash)),
    ?assertEqual(ok, result(Writer)),
    ct:log("20 round trips of others took ~b ms at most", [Longest]),
    ?assert(Longest < 1000),
    close({A, B, C, D}).

-spec ping_pong(socket(), socket(), non_neg_integer()) -> ok.
ping_pong(_, _, 0) ->
    ok;
ping_pong(A, B, N) ->
    ok = ?S:send(A, <<"ping">>),
    {ok, <<"ping">>} = ?S:recv(B, 4),
    ok = ?S:send(B, <<"pong">>),
    {ok, <<"pong">>} = ?S:recv(A, 4),
    ping_pong(A, B, N - 1).

%% More payload than the helper may hold: only the recv and close of the peers can make room.
-spec a_thousand_stuck_senders_do_not_stop_recv_and_close(config()) -> term().
a_thousand_stuck_senders_do_not_stop_recv_and_close(_) ->
    ct:timetrap({seconds, 120}),
    Data = random(?MIB),
    Stuck = stuck_senders(1000, Data),
    {Received, Closed} = lists:split(500, Stuck),
    {C, D} = pair({inet, stream}),
    ?assertEqual(ok, ping_pong(C, D, 10)),
    [?assert({ok, Data} =:= ?S:recv(Peer, ?MIB, 60000)) || {_, _, Peer} <- Received],
    [?assertEqual(ok, ?S:close(Peer)) || {_, _, Peer} <- Closed],
    [?assertEqual(ok, result(Writer)) || {Writer, _, _} <- Received],
    [?assertMatch({error, {Reason, Left}} when (Reason =:= epipe orelse Reason =:= econnreset)
                                               andalso Left > 0 andalso Left =< ?MIB,
                  result(Writer)) || {Writer, _, _} <- Closed],
    ?assertEqual(ok, ping_pong(C, D, 10)),
    close([C, D | [Socket || {_, Socket, _} <- Stuck] ++ [Peer || {_, _, Peer} <- Received]]).

-spec stuck_senders(pos_integer(), binary()) -> [{gosocket_test_lib:call(), socket(), Peer :: socket()}].
stuck_senders(Count, Data) ->
    Stuck = [begin
         {Socket, Peer} = small_pair({local, stream}),
         {start(fun() -> ?S:send(Socket, Data) end), Socket, Peer}
     end || _ <- lists:seq(1, Count)],
    [await_parked(Socket, num_writers, 1) || {_, Socket, _} <- Stuck],
    Stuck.

-spec parked_payload_does_not_grow_the_helper(config()) -> term().
parked_payload_does_not_grow_the_helper(_) ->
    Before = resident_kib(),
    Stuck = stuck_senders(300, random(?MIB)),
    Grown = resident_kib() - Before,
    ct:log("300 stuck senders of 1 MiB: ~b KiB more", [Grown]),
    ?assert(Grown < 100 * 1024),
    [close({Socket, Peer}) || {_, Socket, Peer} <- Stuck],
    [{error, {closed, _}} = result(Writer) || {Writer, _, _} <- Stuck],
    ok.

-spec resident_kib() -> pos_integer().
resident_kib() ->
    {ok, Status} = file:read_file("/proc/" ++ integer_to_list(helper_os_pid()) ++ "/status"),
    {match, [KiB]} = re:run(Status, "VmRSS:\\s*([0-9]+) kB", [{capture, all_but_first, list}]),
    list_to_integer(KiB).

%% Nobody asks for them: the sender has to stop.
-spec unasked_data_stay_in_the_kernel(config()) -> term().
unasked_data_stay_in_the_kernel(_) ->
    Listener = listener({inet, stream}, fun(Socket) -> ?S:setopt(Socket, socket, rcvbuf, 65536) end),
    #{port := Port} = local_address(Listener),
    {ok, Peer} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary, {active, false}, {send_timeout, 500}, {sndbuf, 65536},
                                                        {linger, {true, 0}}]),
    {ok, Socket} = ?S:accept(Listener),
    Before = resident_kib(),
    ?assertEqual({error, timeout}, send_till_stuck(Peer, 64)),
    ?assert(resident_kib() - Before < 8 * 1024),
    ok = gen_tcp:close(Peer),
    close({Listener, Socket}).

-spec send_till_stuck(gen_tcp:socket(), non_neg_integer()) -> ok | {error, term()}.
send_till_stuck(_, 0) ->
    ok;
send_till_stuck(Peer, MiB) ->
    case gen_tcp:send(Peer, binary:copy(<<"u">>, ?MIB)) of
        ok -> send_till_stuck(Peer, MiB - 1);
        {error, Reason} -> {error, Reason}
    end.

-spec many_callers_at_once_get_their_own_answers(config()) -> term().
many_callers_at_once_get_their_own_answers(_) ->
    Callers = [start(fun() ->
        Socket = unconnected({inet, dgram}),
        Own = [begin
             ok = ?S:setopt(Socket, otp, rcvbuf, N * 1000 + I),
             {ok, Value} = ?S:getopt(Socket, otp, rcvbuf),
             Value =:= N * 1000 + I
         end || I <- lists:seq(1, 50)],
        ok = ?S:close(Socket),
        lists:all(fun(Is) -> Is end, Own)
    end) || N <- lists:seq(1, 500)],
    ?assertEqual(lists:duplicate(500, true), [result(Caller) || Caller <- Callers]).
